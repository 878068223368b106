package wire_test

import (
	"io"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

// The peer gets what was sent, and then the end of the stream, though the
// connection is open for what it still says.
func TestFinishWithoutFrame(t *testing.T) {
	for _, kind := range []string{"tcp", "tls"} {
		for name, waiting := range map[string]int{"nothing waits": 0, "much waits": 4 << 20} {
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				c, peer := open(t, kind, bounds)
				sent := stall(t, c, 10_000, waiting)
				c.Send(text("last"))
				c.Finish(nil, false, hubtest.Patience)
				if c.Send(text("too late")) == nil {
					t.Error("a frame was taken after Finish")
				}
				frames := readAll(t, peer)
				if n := len(frames); n != sent+1 || string(frames[n-1].payload) != "last" {
					t.Fatalf("%d frames came, want %d", n, sent+1)
				}
				if _, err := peer.Write([]byte("heard")); err != nil {
					t.Fatal(err)
				}
				heard := make([]byte, 5)
				if _, err := io.ReadFull(c, heard); err != nil || string(heard) != "heard" {
					t.Errorf("got %q, %v from the peer after Finish", heard, err)
				}
				c.Wait()
			})
		}
	}
}

// A peer that does not read, or does not close, has the time it was given.
func TestFinishWithoutFrameIsBounded(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, _ := open(t, kind, bounds)
		if kind != "pipe" {
			stall(t, c, 10_000, 4<<20)
		}
		c.Finish(nil, true, 200*time.Millisecond)
		ends(t, c)
		c.Wait()
	})
}
