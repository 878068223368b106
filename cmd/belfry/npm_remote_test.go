package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/hub/hubtest"
)

const (
	// remoteWait is how long a client may take for anything.
	remoteWait = hubtest.Patience
	// remoteLines is how many lines of a client may wait to be read.
	remoteLines = 100_000
	// remoteOptions let the client come back sooner than it would by itself, and
	// wait longer for a busy machine.
	remoteOptions = `{"minReconnectDelay": 50, "maxReconnectDelay": 200, "timeout": 60000, "maxServerPingDelay": 60000}`
)

// platform opens a remote controlled client of a server, which lasts as long as
// the test. Orders go to it by the function, and what it tells comes back.
type platform func(t *testing.T, server string) (order func(line string), told <-chan string)

// remote is a Centrifuge client by remote control: web/testdata/npm/remote.mjs
// says how. Its methods are for the test's goroutine.
type remote struct {
	t     *testing.T
	order func(line string)
	told  <-chan string
	calls int
	early []remoteEvent // that came while an answer was waited for
	id    string        // of the connection, from the server
}

func newRemote(t *testing.T, open platform, server string) *remote {
	t.Helper()
	r := &remote{t: t}
	r.order, r.told = open(t, server)
	return r
}

// remoteLine is what a client tells: an event or an answer.
type remoteLine struct {
	remoteEvent
	ID     int
	Result json.RawMessage
	Error  *remoteError
}

type remoteError struct {
	Code    int
	Message string
}

// remoteEvent is what happened to a client, and to which of its channels.
type remoteEvent struct {
	Event   string
	Channel string
	Detail  struct {
		Client                   string
		Transport                string
		Code                     int
		Reason                   string
		Data                     json.RawMessage
		Offset                   uint64
		Info                     *struct{ Client string }
		StreamPosition           *struct{ Offset uint64 }
		WasRecovering, Recovered bool
		Recoverable, Positioned  bool
	}
}

// String words an event without what differs each time.
func (e remoteEvent) String() string {
	d := e.Detail
	switch e.Event {
	case "connected":
		return "connected"
	case "publication":
		return fmt.Sprintf("%d: %s", d.Offset, d.Data)
	case "subscribed":
		return e.subscribed()
	case "join", "leave":
		return e.Event
	}
	return fmt.Sprintf("%s %d %s", e.Event, d.Code, d.Reason)
}

func (e remoteEvent) subscribed() string {
	d := e.Detail
	switch {
	case !d.Recoverable || !d.Positioned || d.StreamPosition == nil:
		return "subscribed"
	case d.Recovered:
		return fmt.Sprintf("recovered from %d", d.StreamPosition.Offset)
	case d.WasRecovering:
		return fmt.Sprintf("not recovered, at %d", d.StreamPosition.Offset)
	}
	return fmt.Sprintf("subscribed at %d", d.StreamPosition.Offset)
}

// next returns the next line, but for errors that the client only mentions, such
// as one more attempt to connect in vain.
func (r *remote) next(waitsFor string) remoteLine {
	r.t.Helper()
	deadline := time.After(remoteWait)
	for {
		select {
		case text, ok := <-r.told:
			var l remoteLine
			if err := json.Unmarshal([]byte(text), &l); !ok || err != nil {
				r.t.Fatalf("the client told %q (%v), want %s", text, err, waitsFor)
			}
			if l.Event != "error" {
				return l
			}
			r.t.Logf("the client mentions %s", text)
		case <-deadline:
			r.t.Fatalf("the client does not tell of %s", waitsFor)
		}
	}
}

// call calls a method of a channel's subscription, or of the client when the
// channel is empty, and waits for the answer.
func (r *remote) call(channel, method string, args ...any) (json.RawMessage, *remoteError) {
	r.t.Helper()
	r.calls++
	order, err := json.Marshal(map[string]any{"id": r.calls, "channel": channel, "call": method, "args": args})
	if err != nil {
		r.t.Fatal(err)
	}
	r.order(string(order))
	for {
		l := r.next("the answer to " + method)
		if l.ID == r.calls {
			return l.Result, l.Error
		}
		r.early = append(r.early, l.remoteEvent)
	}
}

// must is a call that succeeds.
func (r *remote) must(channel, method string, args ...any) json.RawMessage {
	r.t.Helper()
	result, failure := r.call(channel, method, args...)
	if failure != nil {
		r.t.Fatalf("%s %v: %d %s", method, args, failure.Code, failure.Message)
	}
	return result
}

// subscribe makes a subscription and subscribes.
func (r *remote) subscribe(channel string, options ...any) {
	r.t.Helper()
	r.must("", "newSubscription", append([]any{channel}, options...)...)
	r.must(channel, "subscribe")
}

// event returns the next event.
func (r *remote) event(waitsFor string) remoteEvent {
	r.t.Helper()
	var e remoteEvent
	if len(r.early) > 0 {
		e, r.early = r.early[0], r.early[1:]
	} else {
		e = r.next(waitsFor).remoteEvent
	}
	if e.Event == "connected" {
		r.id = e.Detail.Client
	}
	return e
}

// hear wants the next events to be these, in this order.
func (r *remote) hear(want ...string) (events []remoteEvent) {
	r.t.Helper()
	var got []string
	for _, w := range want {
		e := r.event(w)
		events, got = append(events, e), append(got, e.String())
		if e.String() != w {
			r.t.Fatalf("events (-want +got):\n%s", cmp.Diff(want[:len(got)], got))
		}
	}
	return events
}

// disconnect ends the connection and wants nothing to have come before.
func (r *remote) disconnect() {
	r.t.Helper()
	r.must("", "disconnect")
	r.hear("subscribing 1 transport closed", "disconnected 0 disconnect called")
}
