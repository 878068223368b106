//go:build unix

package load

import (
	"strings"
	"syscall"
	"testing"
)

func TestDescriptorError(t *testing.T) {
	if err := descriptorError(1024, 1024); err != nil {
		t.Errorf("as many as there are: %v", err)
	}
	err := descriptorError(20_065, 1024)
	if err == nil {
		t.Fatal("too few: no error")
	}
	for _, want := range []string{"20065 file descriptors are needed", "may have 1024", "ulimit -n 20065"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q in it", err, want)
		}
	}
}

// TestTooManyConnections asks for more than the limit, and nothing is opened.
func TestTooManyConnections(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= MaxSubscribers {
		t.Skipf("the limit of file descriptors is %d, %v", limit.Cur, err)
	}
	o := newFakeServer(t).options(Raw)
	o.Subscribers = MaxSubscribers
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("got %v", err)
	}
}
