package main

import (
	"net/http"

	"github.com/olahol/melody"
)

// melodyChannel is melody's own Broadcast, with its defaults: a queue and a goroutine
// that writes for each session, and a message that is put into every queue.
type melodyChannel struct {
	melody *melody.Melody
}

// sessionQueue is how many messages melody keeps for one session. Its default of
// 256 is not enough for the messages that wait while a broadcast is going on;
// beyond it messages are lost.
const sessionQueue = 1024

func newMelodyChannel() channel {
	m := melody.New()
	m.Config.MessageBufferSize = sessionQueue
	return melodyChannel{m}
}

// join runs the session.
func (c melodyChannel) join(w http.ResponseWriter, r *http.Request) {
	_ = c.melody.HandleRequest(w, r) // the client has been answered
}

// publish returns when the message is in every session's queue, or lost to one that
// was full.
func (c melodyChannel) publish(text []byte) {
	_ = c.melody.Broadcast(text) // fails only when melody is closed
}
