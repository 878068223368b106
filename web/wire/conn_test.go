package wire_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub/hubtest"
	"belfry/web/wire"
)

var (
	ping = []byte{0x80 | opPing, 0}
	bye  = wire.AppendClose(nil, 1000, "bye")
)

func text(s string) []byte { return wire.AppendText(nil, []byte(s)) }

// readAll reads whole frames until the connection ends, and fails the test when
// it ends within a frame or does not end in time.
func readAll(t *testing.T, r io.Reader) []frame {
	t.Helper()
	var frames []frame
	for {
		f, err := readFrame(r)
		if err != nil {
			if !ended(err) {
				t.Errorf("after %d frames: %v", len(frames), err)
			}
			return frames
		}
		frames = append(frames, f)
	}
}

// ended reports whether an error is the end of a connection between frames.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// readUntilClose reads whole frames up to a close frame, which it takes off.
func readUntilClose(t *testing.T, c net.Conn) []frame {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(hubtest.Patience))
	r := bufio.NewReader(c)
	var frames []frame
	for {
		f, err := readFrame(r)
		switch {
		case err != nil:
			t.Fatalf("after %d frames: %v, want a close frame", len(frames), err)
		case f.opcode == opClose:
			return frames
		}
		frames = append(frames, f)
	}
}

// stall sends numbered frames to a peer that does not read until at least n
// bytes wait, and returns how many were sent. Each has the number first.
func stall(t *testing.T, c *wire.Conn, size, n int) (sent int) {
	t.Helper()
	for ; c.Waiting() < n; sent++ {
		if err := c.Send(numbered(sent, size)); err != nil {
			t.Fatalf("frame %d was refused with %d bytes waiting", sent, c.Waiting())
		}
	}
	return sent
}

func numbered(n, size int) []byte { return text(fmt.Sprintf("%d %s", n, strings.Repeat("x", size))) }

// wantNumbered checks that frames are those of stall from first to last, without
// a gap.
func wantNumbered(t *testing.T, frames []frame, n, size int) {
	t.Helper()
	if len(frames) != n {
		t.Errorf("%d frames came, want %d", len(frames), n)
	}
	for i, f := range frames {
		if want := fmt.Sprintf("%d %s", i, strings.Repeat("x", size)); f.opcode != opText || string(f.payload) != want {
			t.Fatalf("frame %d is opcode %d with %.20q, %d bytes", i, f.opcode, f.payload, len(f.payload))
		}
	}
}

// ends checks that reading fails, which is how a session learns that its
// connection is over.
func ends(t *testing.T, c *wire.Conn) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 100); ; {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(hubtest.Patience):
		t.Errorf("reading goes on after %s", hubtest.Patience)
		_ = c.Close()
		<-done
	}
}

func TestSend(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		sizes := []int{0, 1, 125, 126, 65535, 65536, 1 << 20}
		go func() {
			for _, n := range sizes {
				if err := c.Send(text(strings.Repeat("x", n))); err != nil {
					t.Errorf("a frame of %d bytes was refused", n)
				}
			}
			c.End(bye, false, hubtest.Patience)
		}()
		frames := readUntilClose(t, peer)
		if len(frames) != len(sizes) {
			t.Fatalf("%d frames came, want %d", len(frames), len(sizes))
		}
		for i, f := range frames {
			if len(f.payload) != sizes[i] {
				t.Errorf("frame %d has %d bytes, want %d", i, len(f.payload), sizes[i])
			}
		}
	})
}

// A slow reader, many senders and the library's control frames between them:
// whole frames, each sender's in order, nothing lost, the close frame last.
func TestSendersAtOnce(t *testing.T) {
	const senders, each = 8, 150
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		var sending sync.WaitGroup
		for s := range senders {
			sending.Go(func() {
				for n := range each {
					size := rand.IntN(3000)
					if n%50 == 0 {
						size = 100_000
					}
					if err := c.Send(text(fmt.Sprint(s, n, strings.Repeat(" ", size)))); err != nil {
						t.Errorf("frame %d of sender %d was refused", n, s)
					}
				}
			})
		}
		sending.Go(func() {
			for range each {
				p := append([]byte(nil), ping...)
				if n, err := c.Write(p); n != len(p) || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
				clear(p) // it is the caller's
			}
		})
		go func() { sending.Wait(); c.End(bye, false, hubtest.Patience) }()
		next, pings := make([]int, senders), 0
		for i, f := range readUntilClose(t, &slowly{Conn: peer}) {
			if f.opcode == opPing {
				pings++
				continue
			}
			var s, n int
			fmt.Sscan(string(f.payload), &s, &n)
			if n != next[s] {
				t.Fatalf("frame %d is number %d of sender %d, want %d", i, n, s, next[s])
			}
			next[s]++
		}
		for s, n := range next {
			if n != each {
				t.Errorf("%d frames of sender %d came, want %d", n, s, each)
			}
		}
		if pings != each {
			t.Errorf("%d pings came, want %d", pings, each)
		}
	})
}

// slowly reads little at a time, with breaks.
type slowly struct {
	net.Conn
	reads int
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.reads++; s.reads%50 == 0 {
		time.Sleep(time.Millisecond)
	}
	return s.Conn.Read(p[:min(len(p), 1+rand.IntN(4000))])
}

func TestLimit(t *testing.T) {
	const limit, size = 200_000, 10_000
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, &wire.Options{Limit: limit, WriteWait: hubtest.Patience})
		sent := 0
		for deadline := time.Now().Add(hubtest.Patience); c.Send(numbered(sent, size)) == nil; sent++ {
			if c.Waiting() > limit || time.Now().After(deadline) {
				t.Fatalf("%d bytes wait after %d frames, with a limit of %d", c.Waiting(), sent, limit)
			}
		}
		if n := c.Waiting(); n <= limit-2*size {
			t.Errorf("a frame of %d bytes was refused with %d waiting of %d", size, n, limit)
		}
		if _, err := c.Write(make([]byte, 2*size)); !errors.Is(err, wire.ErrSlow) {
			t.Errorf("Write = %v, want ErrSlow", err)
		}
		go c.End(bye, false, hubtest.Patience)
		wantNumbered(t, readUntilClose(t, peer), sent, size)
	})
}

// What does not fit the limit may still be sent alone, up to a limit of its own.
func TestChunkAlone(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, &wire.Options{Limit: 1000, Alone: 8<<20 + 100, WriteWait: hubtest.Patience})
		if err := c.Send(numbered(0, 8<<20+100)); err != wire.ErrSlow || c.Waiting() != 0 {
			t.Fatalf("a chunk over the limit: %v, %d bytes wait", err, c.Waiting())
		}
		if err := c.Send(numbered(0, 8<<20)); err != nil {
			t.Fatal("the first chunk was refused")
		}
		if c.Waiting() == 0 {
			t.Fatal("nothing waits: the peer's buffers are too large for this test")
		}
		if c.Send(numbered(1, 1000)) == nil {
			t.Error("a second chunk was taken")
		}
		go c.End(bye, false, hubtest.Patience)
		wantNumbered(t, readUntilClose(t, peer), 1, 8<<20)
	})
}

func TestWriteWait(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, &wire.Options{Limit: 8 << 20, WriteWait: 150 * time.Millisecond})
		for c.Waiting() < 1<<20 && c.Send(numbered(0, 10_000)) == nil { // refused when the time is over already
		}
		ends(t, c)
		if c.Send(text("x")) == nil || c.Waiting() != 0 {
			t.Errorf("the connection takes frames; %d bytes wait", c.Waiting())
		}
		c.Wait()
		_, _ = io.Copy(io.Discard, peer)
	})
}

// A peer that is slow but reads has no bound on the whole.
func TestWriteWaitIsForProgress(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		const wait = 1500 * time.Millisecond
		c, peer := open(t, kind, &wire.Options{Limit: 8 << 20, WriteWait: wait})
		sent := stall(t, c, 10_000, 1<<20)
		go func() {
			for c.Waiting() > 0 {
				time.Sleep(time.Millisecond)
			}
			c.End(bye, false, hubtest.Patience)
		}()
		start := time.Now()
		wantNumbered(t, readUntilClose(t, &pausing{Conn: peer}), sent, 10_000)
		if d := time.Since(start); d < wait {
			t.Errorf("reading took %s, too little for this test", d)
		}
	})
}

// pausing reads about half a megabyte in a second, evenly.
type pausing struct {
	net.Conn
	read int
}

func (p *pausing) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	for p.read += n; p.read > 20_000; p.read -= 20_000 {
		time.Sleep(40 * time.Millisecond)
	}
	return n, err
}

// Once the peer has caught up, the flusher's deadline means nothing any more,
// and frames go to the socket directly again.
func TestSendAfterAStall(t *testing.T) {
	const wait = time.Second
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, &wire.Options{Limit: 8 << 20, WriteWait: wait})
		r := bufio.NewReader(peer)
		for round := range 2 {
			sent := stall(t, c, 10_000, 300_000)
			for i := range sent {
				if _, err := readFrame(r); err != nil {
					t.Fatalf("round %d, frame %d of %d: %v", round, i, sent, err)
				}
			}
			hubtest.Eventually(t, hubtest.Patience, func() bool { return c.Waiting() == 0 }, "nothing waits")
			time.Sleep(wait + wait/2) // the deadline passes
			if err := c.Send(text("later")); err != nil {
				t.Fatalf("round %d: a frame was refused after the stall", round)
			}
			if f, err := readFrame(r); err != nil || string(f.payload) != "later" {
				t.Fatalf("round %d: read %+v, %v after the stall", round, f, err)
			}
		}
	})
}

func TestCloseWhileFlushing(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for i := range 10 {
			c, peer := open(t, kind, bounds)
			stall(t, c, 10_000, 1<<20)
			reading := make(chan struct{})
			if i%2 == 0 { // the flusher moves
				go func() { defer close(reading); _, _ = io.Copy(io.Discard, peer) }()
			} else { // the flusher stands still
				close(reading)
			}
			start := time.Now()
			_ = c.Close()
			c.Wait()
			if d := time.Since(start); d > 4*time.Second { // TLS would say goodbye for five
				t.Errorf("Close and Wait took %s", d)
			}
			if c.Send(text("x")) == nil || c.Waiting() != 0 {
				t.Errorf("a closed connection takes frames; %d bytes wait", c.Waiting())
			}
			_ = peer.Close()
			<-reading
		}
	})
}

// A peer that has gone is noticed by sending.
func TestPeerGone(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		_ = peer.Close()
		hubtest.Eventually(t, hubtest.Patience, func() bool { return c.Send(text("x")) != nil }, "a frame is refused")
		c.End(bye, true, time.Second)
		ends(t, c)
	})
}

// Everything at once; whatever happens, the peer sees whole frames of each
// sender in order, and at most one close frame, as the last.
func TestEverythingAtOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for round := range 12 {
			c, peer := open(t, kind, &wire.Options{Limit: 300_000, WriteWait: time.Second})
			var stop atomic.Bool
			var working sync.WaitGroup
			for s := range 4 {
				working.Go(func() {
					for n := 0; !stop.Load(); n++ {
						if err := c.Send(text(fmt.Sprint(s, n, strings.Repeat(" ", rand.IntN(5000))))); err != nil {
							return
						}
					}
				})
			}
			working.Go(func() {
				for !stop.Load() {
					if _, err := c.Write(ping); errors.Is(err, net.ErrClosed) {
						return
					}
					_ = c.SetReadDeadline(time.Now().Add(time.Second))
				}
			})
			working.Go(func() {
				time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
				c.End(bye, round%2 == 0, 200*time.Millisecond)
				if round%3 == 0 {
					time.Sleep(time.Millisecond)
					_ = c.Close()
				}
				stop.Store(true)
			})
			checkEverything(t, peer)
			_ = c.Close()
			working.Wait()
			c.Wait()
		}
	})
}

// checkEverything reads frames until the connection ends, which may be within a
// frame: Close does not wait.
func checkEverything(t *testing.T, peer net.Conn) {
	t.Helper()
	_ = peer.SetReadDeadline(time.Now().Add(hubtest.Patience))
	r := bufio.NewReader(&slowly{Conn: peer})
	next := make(map[int]int)
	for closed := false; ; {
		f, err := readFrame(r)
		var op *net.OpError
		switch {
		case err != nil && (ended(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) && !op.Timeout()):
			return
		case err != nil:
			t.Errorf("the peer cannot read what it gets: %v", err)
			return
		case closed:
			t.Errorf("opcode %d came after the close frame", f.opcode)
		case f.opcode == opClose:
			closed = true
			_ = peer.Close() // as a client does
		case f.opcode == opText:
			var s, n int
			fmt.Sscan(string(f.payload), &s, &n)
			if n != next[s] {
				t.Errorf("number %d of sender %d came, want %d", n, s, next[s])
				return
			}
			next[s]++
		}
	}
}

func TestEarlyBytesAreReadFirst(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		server, client := pair(t, kind)
		c := wire.NewConn(server, []byte("early"), bounds)
		defer c.Close()
		go func() { _, _ = client.Write([]byte(" late")); _ = client.Close() }()
		var got []byte
		buf := make([]byte, 3)
		for {
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if string(got) != "early late" {
			t.Errorf("read %q", got)
		}
	})
}

// Deadlines are for reading; writing has its own.
func TestDeadlines(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		c, peer := open(t, kind, bounds)
		past := time.Now().Add(-time.Second)
		if err := errors.Join(c.SetWriteDeadline(past), c.SetDeadline(past)); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read = %v, want that the deadline passed", err)
		}
		sent := stall(t, c, 10_000, 1<<20)
		if err := errors.Join(c.SetWriteDeadline(past), c.SetDeadline(past)); err != nil {
			t.Error(err)
		}
		go c.End(bye, false, hubtest.Patience)
		wantNumbered(t, readUntilClose(t, peer), sent, 10_000)
	})
}

// Frames never reach another connection that was given the number of a closed
// one.
func TestClosedSocketIsNotWrittenTo(t *testing.T) {
	c, _ := open(t, "tcp", bounds)
	_ = c.Close()
	other, peer := tcpPair(t) // takes the lowest free numbers
	defer other.Close()
	defer peer.Close()
	_, err := c.Write(ping)
	if c.Send(text("stray")) == nil || err == nil {
		t.Error("a closed connection takes frames")
	}
	c.End(bye, true, time.Second)
	for _, end := range []net.Conn{other, peer} {
		_ = end.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := end.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("another connection got %d bytes, %v", n, err)
		}
	}
}
