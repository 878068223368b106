package carry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/raw"
	"belfry/web/session"
	"belfry/web/wire"
)

// newTestLinks makes the links of a node whose hub does not run.
func newTestLinks(t testing.TB) *Links {
	t.Helper()
	h := hub.New(hub.Options{})
	sessions := session.NewRegistry(session.Options{
		Hub: h, Guard: access.Rules{For: h.Rule}, Logger: slog.New(slog.DiscardHandler),
		Limits: session.Limits{Message: 64 << 10, Buffer: 1 << 20, Subscriptions: 128},
	})
	t.Cleanup(func() { _ = sessions.Shutdown(context.Background()) })
	return New(Options{Hub: h, Sessions: sessions})
}

// openTestLink opens a session over HTTP that no request carries yet.
func (l *Links) openTestLink(t *testing.T) *Link {
	t.Helper()
	speak := raw.Channel("chat", nil).Speak
	link, err := l.Open(httptest.NewRequest("POST", "/", nil), Opening{Dialect: lines{}, Speak: speak})
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func newTestLink(t *testing.T) *Link { return newTestLinks(t).openTestLink(t) }

// TestVanishWithCarrier has a request come at the moment when the session is given
// up: it ends, too.
func TestVanishWithCarrier(t *testing.T) {
	t.Run("fetched", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			link := newTestLink(t)
			f := link.fetch(0)
			time.AfterFunc(time.Second, link.vanish)
			start := time.Now()
			found, err := f.next(t.Context(), 1000, time.Minute)
			if took := time.Since(start); err != nil || !found.last || took != time.Second {
				t.Errorf("%+v, %v after %v; want the end after a second", found, err, took)
			}
		})
	})
	t.Run("directly", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			link := newTestLink(t)
			server, client := net.Pipe()
			defer client.Close()
			go link.carryDirectly(server, lines{}, []byte("head"), 0)
			time.AfterFunc(time.Second, link.vanish)
			start := time.Now()
			got, err := io.ReadAll(client)
			if took := time.Since(start); string(got) != "head" || took > time.Second+endWait {
				t.Errorf("%q, %v after %v; want the end after %v", got, err, took, time.Second+endWait)
			}
		})
	})
}

// TestFetchDroppedWithin has the rest of a frame dropped because the client is too
// slow. What follows would be taken for the rest.
func TestFetchDroppedWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := newTestLink(t)
		if err := link.Send(lines{}.AppendMessage(nil, bytes.Repeat([]byte("x"), 2*streamPart))); err != nil {
			t.Fatal(err)
		}
		f := link.fetch(0)
		if found, err := f.next(t.Context(), streamPart, 0); err != nil || found.whole || found.size != streamPart {
			t.Fatalf("%+v, %v; want a part of a frame", found, err)
		}
		link.session.Close(session.Slow)
		if found, err := f.next(t.Context(), streamPart, 0); err != errReplaced {
			t.Errorf("%q, %v; want the request to end", found.frames, err)
		}
		found, err := link.fetch(0).next(t.Context(), streamPart, 0)
		_, reason := session.Slow.Code()
		if want := `["close",1008,"` + reason + `"]` + "\n"; err != nil || !found.last || string(bytes.Join(found.frames, nil)) != want {
			t.Errorf("the next request: %q, %v", found.frames, err)
		}
	})
}

// TestUnheard counts sessions that wait for the second request of their clients,
// and opens no more when there are too many.
func TestUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLinks(t)
		link := l.openTestLink(t)
		step := func(what string, want int) {
			t.Helper()
			if n := l.unheard.Of(link.from); n != want {
				t.Errorf("%s: %d wait, want %d", what, n, want)
			}
		}
		f := link.fetch(0)
		step("carried", 0)
		f.leave()
		step("the request has ended", 1)
		for range maxUnheard - 1 {
			l.unheard.Add(link.from)
		}
		one := httptest.NewRequest("POST", "/", nil)
		_, err := l.Open(one, Opening{Dialect: lines{}})
		if !errors.Is(err, errTooManyOpened) || fault.From(err).Kind != fault.TooMany {
			t.Errorf("one too many: %v", err)
		}
		one.RemoteAddr = "192.0.2.77:1234"
		if other, err := l.Open(one, Opening{Dialect: lines{}, Speak: raw.Channel("chat", nil).Speak}); err != nil {
			t.Errorf("another address: %v", err)
		} else {
			other.vanish()
		}
		for range maxUnheard - 1 {
			l.unheard.Remove(link.from)
		}
		link.acknowledge(0)
		f = link.fetch(0)
		step("carried again", 0)
		f.leave()
		step("the client has come back once", 0)
	})
}

// TestAway gives up a session whose client does not come back, and forgets it.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLinks(t)
		link := l.openTestLink(t)
		advance := func(d time.Duration) {
			for range d / time.Second {
				time.Sleep(time.Second)
				l.Advance()
				synctest.Wait()
			}
		}
		advance(awayWait - time.Second)
		if !link.isOpen() || l.unheard.All() != 1 {
			t.Errorf("after %v: open %t, %d wait", awayWait-time.Second, link.isOpen(), l.unheard.All())
		}
		advance(time.Second)
		if link.isOpen() || l.unheard.All() != 0 {
			t.Errorf("after %v: open %t, %d wait", awayWait, link.isOpen(), l.unheard.All())
		}
		other := l.openTestLink(t)
		other.session.Close(session.Forced)
		synctest.Wait()
		if l.Find(other.secret, UntilAcknowledged) == nil {
			t.Error("a session that has ended is not remembered")
		}
		advance(retryWait)
		if l.Find(other.secret, UntilAcknowledged) != nil {
			t.Error("a session that has ended is remembered for ever")
		}
	})
}

// TestAllowance says more and more to a client that does not read, in chunks of any
// size: what is kept for it stays within its allowance from the first chunk on.
func TestAllowance(t *testing.T) {
	for _, keep := range []Keep{UntilAcknowledged, WhileCarried} {
		for _, size := range []int{1, 100, 100 << 10, 1 << 20, 8 << 20} {
			synctest.Test(t, func(t *testing.T) {
				l := newTestLinks(t)
				link, err := l.Open(httptest.NewRequest("POST", "/", nil), Opening{Dialect: lines{}, Keep: keep, Speak: raw.Channel("chat", nil).Speak})
				if err != nil {
					t.Fatal(err)
				}
				chunk := bytes.Repeat([]byte("\n"), size)
				var refused error
				for sent := 0; sent <= 4<<20 && refused == nil; sent += size {
					refused = link.Send(chunk)
				}
				if most := 2*l.alone + ackSlack; refused != wire.ErrSlow || link.log.cost() > most {
					t.Errorf("keep %d, chunks of %d bytes: %v with %d bytes kept, want ErrSlow with %d at most", keep, size, refused, link.log.cost(), most)
				}
				if size <= 100<<10 && link.Waiting() < l.buffer/2 {
					t.Errorf("keep %d, chunks of %d bytes: %d wait of %d that are kept", keep, size, link.Waiting(), link.log.cost())
				}
				link.vanish()
			})
		}
	}
}

// TestBacklogsInAll has many clients without a request for whom messages are kept:
// those that are away use half of what there is, and others between two requests
// find room until all is used. What is kept for nobody is not counted.
func TestBacklogsInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frame = 100 << 10
		l := newTestLinks(t)
		l.kept.most = 20 * (frame + chunkCost)
		frames := bytes.Repeat([]byte("x"), frame)
		fill := func(link *Link) (n int) {
			for ; ; n++ {
				if err := link.Send(frames); err != nil {
					if !errors.Is(err, wire.ErrSlow) {
						t.Errorf("the error is %v, want ErrSlow", err)
					}
					return n
				}
			}
		}
		away := []*Link{l.openTestLink(t), l.openTestLink(t)}
		time.Sleep(2 * betweenRequests)
		if n := fill(away[0]) + fill(away[1]); n != 10 {
			t.Errorf("%d frames are kept for those that are away, want 10", n)
		}
		carried := l.openTestLink(t)
		f := carried.fetch(0)
		if n := fill(carried); n < 11 {
			t.Errorf("%d frames wait for a client with a request, want all that it may be behind", n)
		}
		between := l.openTestLink(t)
		if n := fill(between); n != 10 {
			t.Errorf("%d frames are kept for one that will soon be back, want 10", n)
		}
		f.leave() // with more than there is room for
		synctest.Wait()
		if carried.isOpen() || !between.isOpen() {
			t.Errorf("open: the one without room %t, the other one %t", carried.isOpen(), between.isOpen())
		}
		for range 2 * (awayWait + retryWait) / time.Second {
			time.Sleep(time.Second)
			l.Advance()
			synctest.Wait()
		}
		if n := l.kept.used.Load(); n != 0 {
			t.Errorf("%d bytes are counted when all have gone", n)
		}
	})
}
