//go:build !unix

package main

import "net/http"

// noChannel stands for bare where sockets are no file descriptors.
type noChannel struct{}

// newBareChannel makes a channel that refuses everybody.
func newBareChannel() channel { return noChannel{} }

func (noChannel) join(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "the bare server needs a Unix system", http.StatusNotImplemented)
}

func (noChannel) publish([]byte) {}
