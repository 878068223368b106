package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"belfry/cmd/internal/centrifuge"
	"belfry/configs"
)

// errEnough is returned by a follower's message function that wants no more.
var errEnough = errors.New("enough")

// message is one message of a channel, with the channel's name.
type message = centrifuge.Publication

// follower subscribes to channels and stays subscribed: when the connection
// breaks it connects again.
type follower struct {
	server   serverURL
	token    configs.Secret                // empty: none
	channels []string                      // what the server refuses is taken out
	message  func(message) error           // called for each message, one at a time
	notice   func(format string, a ...any) // called with what people want to know of the connection

	attempts int       // since the last good connection
	lost     time.Time // when it broke; zero: there was none
	told     string    // the trouble that was told last

	unread    int       // lines of the server that were skipped
	skippedAt time.Time // when that was told last
}

// follow runs until the context ends or message returns errEnough, and then
// returns nil. It returns an error when going on makes no sense: the server
// sent the client away for good or refused all channels, or message failed.
func (f *follower) follow(ctx context.Context) error {
	for {
		err := f.once(ctx)
		switch {
		case errors.Is(err, errEnough) || ctx.Err() != nil:
			return nil
		case f.isFinal(err):
			return explain(err)
		}
		wait := backoff(f.attempts)
		f.attempts++
		f.tell(explain(err).Error(), wait)
		if !pause(ctx, wait) {
			return nil
		}
	}
}

// tell says why the connection is away; the same trouble is not said again at
// length, or a server that is away overnight would fill the screen.
func (f *follower) tell(trouble string, wait time.Duration) {
	again := wait.Round(100 * time.Millisecond)
	if trouble == f.told {
		f.notice("still the same; trying again in %v", again)
		return
	}
	f.told = trouble
	f.notice("%s; trying again in %v", trouble, again)
}

// skipped says that something of the server was left out, once in a second at most.
func (f *follower) skipped(err error) {
	f.unread++
	if time.Since(f.skippedAt) < time.Second {
		return
	}
	f.notice("skipped what cannot be read of what the server sent, %d so far: %s", f.unread, printable(err.Error()))
	f.skippedAt = time.Now()
}

// once follows over one connection until it ends, and returns why. The connection is
// closed when the context ends.
func (f *follower) once(ctx context.Context) error {
	c, err := dial(ctx, f.server, f.token, f.skipped)
	if err != nil {
		return err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.close)()
	on := connection{follower: f, client: c, asked: make(map[uint32]string)}
	err = on.run()
	if on.good {
		f.lost = time.Now()
	}
	return err
}

// finalError is one after which connecting again makes no sense: the same would
// happen again.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// isFinal reports whether to give up. A server that never was there and answers
// that it knows no such thing is another one.
func (f *follower) isFinal(err error) bool {
	var final finalError
	var closed *websocket.CloseError
	var refused *answerError
	switch {
	case errors.As(err, &final):
		return true
	case errors.As(err, &closed):
		return isFinalCode(closed.Code)
	case errors.As(err, &refused):
		return f.lost.IsZero() && refused.status < 500 && refused.status != http.StatusTooManyRequests
	}
	return false
}

// isFinalCode sorts close codes as the Centrifuge protocol does: of those from
// 3000 and from 4000, the second five hundred are for good. A message that is too big
// once is so again (1009).
func isFinalCode(code int) bool {
	return code >= 3500 && code < 4000 || code >= 4500 && code < 5000 || code == websocket.CloseMessageTooBig
}

// explain turns the end of a connection into words. How exactly it broke helps nobody;
// a reason that the server gives is shown.
func explain(err error) error {
	var closed *websocket.CloseError
	var timeout net.Error
	switch {
	case errors.As(err, &closed) && closed.Code == websocket.CloseAbnormalClosure,
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the connection broke")
	case errors.As(err, &closed):
		return fmt.Errorf("the server closed the connection: %s (close code %d)", printable(closed.Text), closed.Code)
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the server is silent")
	}
	return err
}
