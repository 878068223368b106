package wire_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub/hubtest"
	"belfry/web/wire"
)

// With drop, what the peer has not been sent is left out, but no frame is cut.
func TestEndDrop(t *testing.T) {
	const size = 10_000
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		sent := stall(t, c, size, 2<<20)
		c.End(bye, true, hubtest.Patience)
		if c.Send(numbered(sent, size)) == nil {
			t.Error("a frame was taken after the end")
		}
		if n := c.Waiting(); n > 200_000 {
			t.Errorf("%d bytes still wait", n)
		}
		frames := readUntilClose(t, peer)
		if len(frames) == 0 || len(frames) > sent-100 {
			t.Errorf("%d frames of %d came", len(frames), sent)
		}
		wantNumbered(t, frames, len(frames), size)
	})
}

func TestEndWithoutDrop(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		sent := stall(t, c, 10_000, 1<<20)
		c.End(bye, false, hubtest.Patience)
		wantNumbered(t, readUntilClose(t, peer), sent, 10_000)
	})
}

// Whoever asks for the end first says the last word.
func TestEndOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		var ending sync.WaitGroup
		for i := range 10 {
			ending.Go(func() { c.End(wire.AppendClose(nil, 4000+i, ""), i%2 == 0, hubtest.Patience) })
		}
		ending.Wait()
		_ = peer.SetReadDeadline(time.Now().Add(hubtest.Patience))
		frames := readAll(t, untilEnd{peer})
		if len(frames) != 1 || frames[0].opcode != opClose {
			t.Errorf("the peer got %+v, want one close frame", frames)
		}
	})
}

// untilEnd closes with the first frame, as a peer does that takes its leave.
type untilEnd struct{ net.Conn }

func (u untilEnd) Read(p []byte) (int, error) {
	n, err := u.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, io.EOF
	}
	if err == nil && n == len(p) && n == 2 {
		_ = u.Conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	}
	return n, err
}

// A peer that takes nothing has the time it was given, whatever it was given
// before.
func TestEndIsBounded(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for _, waits := range []int{0, 1 << 20} {
			c, _ := open(t, kind, bounds)
			stall(t, c, 10_000, waits)
			const within = 500 * time.Millisecond
			start := time.Now()
			c.End(bye, waits > 0, within)
			if d := time.Since(start); d >= within {
				t.Errorf("End took %s", d)
			}
			_ = c.SetReadDeadline(time.Now().Add(time.Hour)) // as the library does with each pong
			ends(t, c)
			_ = c.Close()
			c.Wait()
		}
	})
}

// Nor does a peer get more time by taking a little now and then.
func TestEndIsBoundedForASlowPeer(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		stall(t, c, 10_000, 4<<20)
		reading := make(chan struct{})
		go func() { defer close(reading); _, _ = io.Copy(io.Discard, &pausing{Conn: peer}) }()
		start := time.Now()
		c.End(bye, false, 200*time.Millisecond)
		c.Wait()                                       // the flusher closes what it could not finish
		if d := time.Since(start); d > 5*time.Second { // all of it takes eight
			t.Errorf("the peer was served for %s", d)
		}
		<-reading
	})
}

func TestEndOfAClosedConn(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		_ = c.Close()
		c.End(bye, false, time.Second)
		if frames := readAll(t, peer); len(frames) != 0 {
			t.Errorf("the peer got %+v after Close", frames)
		}
		if c.Send(text("x")) == nil || c.Waiting() != 0 {
			t.Errorf("a closed connection takes frames; %d bytes wait", c.Waiting())
		}
		if _, err := c.Write(ping); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write = %v, want net.ErrClosed", err)
		}
	})
}

// A peer that was told to go while it was sending hears why, though nobody has
// read what it sent.
func TestDiscard(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		_ = peer.SetDeadline(time.Now().Add(hubtest.Patience))
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := peer.Write(make([]byte, 8<<20)); err != nil {
				t.Errorf("the peer sends: %v", err)
			}
		})
		discarded := make(chan struct{})
		go func() { defer close(discarded); c.Send(bye); c.Discard(hubtest.Patience); _ = c.Close() }()
		if frames := readUntilClose(t, peer); len(frames) != 0 {
			t.Errorf("the peer got %+v before the close frame", frames)
		}
		sending.Wait()
		_ = peer.Close()
		<-discarded
	})
}

// A peer that goes on sending has the time it was given.
func TestDiscardIsBounded(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		var sending sync.WaitGroup
		sending.Go(func() {
			for err := error(nil); err == nil; {
				_, err = peer.Write(make([]byte, 10_000))
			}
		})
		start := time.Now()
		c.Discard(100 * time.Millisecond)
		if d := time.Since(start); d > hubtest.Patience/2 {
			t.Errorf("the peer was listened to for %s", d)
		}
		_ = c.Close()
		sending.Wait()
	})
}

// Finish closes the stream behind the last frame, also when frames wait before it.
func TestFinish(t *testing.T) {
	for _, kind := range []string{"tcp", "tls"} { // a pipe cannot be closed by half
		for _, waiting := range []int{0, 100} {
			t.Run(fmt.Sprint(kind, " behind ", waiting), func(t *testing.T) {
				t.Parallel()
				c, peer := open(t, kind, bounds)
				for range waiting {
					c.Send(text(strings.Repeat("x", 60_000)))
				}
				c.Finish(bye, false, hubtest.Patience)
				frames := readAll(t, peer)
				if len(frames) != waiting+1 || frames[waiting].opcode != opClose {
					t.Errorf("the peer got %d frames, want %d and the last", len(frames), waiting)
				}
				if c.Send(text("x")) == nil {
					t.Error("it takes frames behind the last")
				}
			})
		}
	}
}
