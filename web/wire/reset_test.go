package wire_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"belfry/hub/hubtest"
	"belfry/web/wire"
)

// A peer that is given up for not reading is reset, so that the system keeps
// nothing of what it was to be sent.
func TestGivenUpIsReset(t *testing.T) {
	soon := &wire.Options{Limit: 64 << 20, WriteWait: 50 * time.Millisecond}
	for _, tc := range []struct {
		name    string
		options *wire.Options
		waits   int // bytes in the Conn, more than the system has taken
		giveUp  func(*wire.Conn)
	}{
		{"evicted, and far behind", bounds, 4 << 20, func(c *wire.Conn) { c.End(bye, true, 50*time.Millisecond) }},
		{"told to go, with a stream that ends", bounds, 4 << 20, func(c *wire.Conn) { c.Finish(bye, false, 50*time.Millisecond) }},
		{"evicted, and all of it with the system", bounds, 0, func(c *wire.Conn) {
			c.Send(make([]byte, 10_000))
			c.End(bye, true, 50*time.Millisecond)
		}},
		{"told to go, and far behind", bounds, 4 << 20, func(c *wire.Conn) { c.End(bye, false, 50*time.Millisecond) }},
		{"stalled", soon, 0, func(c *wire.Conn) {
			for c.Send(make([]byte, 10_000)) == nil {
			}
		}},
		{"aborted, and far behind", bounds, 4 << 20, func(c *wire.Conn) { _ = c.Close() }},
	} {
		for _, kind := range []string{"tcp", "tls"} { // a pipe keeps nothing
			t.Run(tc.name+", "+kind, func(t *testing.T) {
				t.Parallel()
				c, peer := open(t, kind, tc.options)
				if tc.waits > 0 {
					stall(t, c, 10_000, tc.waits)
				}
				tc.giveUp(c)
				_, _ = io.Copy(io.Discard, c) // until the time is over, as a transport does
				_ = c.Close()
				c.Wait()
				wantReset(t, peer)
			})
		}
	}
}

func wantReset(t *testing.T, peer net.Conn) {
	t.Helper()
	_ = peer.SetReadDeadline(time.Now().Add(hubtest.Patience))
	if _, err := io.Copy(io.Discard, peer); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer read on, and then %v; want a reset", err)
	}
}

// A peer that reads, and is sent away, is not reset: it hears why.
func TestSentAwayIsNotReset(t *testing.T) {
	for _, drop := range []bool{true, false} {
		c, peer := open(t, "tcp", bounds)
		c.Send(text("hello"))
		c.End(bye, drop, hubtest.Patience)
		frames := readUntilClose(t, peer)
		if len(frames) != 1 {
			t.Errorf("drop %t: %d frames came, want one", drop, len(frames))
		}
		if _, err := peer.Write(bye); err != nil {
			t.Fatal(err)
		}
		heard := make([]byte, len(bye))
		if _, err := io.ReadFull(c, heard); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if n, err := peer.Read(heard); err != io.EOF {
			t.Errorf("drop %t: then %d bytes, %v; want the end", drop, n, err)
		}
	}
}
