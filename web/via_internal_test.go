package web

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
)

// newTestCarried opens a session over HTTP that no request carries yet.
func newTestCarried(t *testing.T) *carried {
	t.Helper()
	s := New(Options{Hub: hub.New(hub.Options{})})
	c, err := s.openCarried(httptest.NewRequest("POST", "/", nil), lines{}, false, newCentrifuge)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.vanish()
		s.open.Wait()
		time.Sleep(time.Minute) // timers that only forget
	})
	return c
}

// TestVanishWithCarrier has a request come at the moment when the session is given
// up: it ends, too.
func TestVanishWithCarrier(t *testing.T) {
	t.Run("fetched", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newTestCarried(t)
			p := c.pull(0)
			time.AfterFunc(time.Second, c.vanish)
			start := time.Now()
			found, err := p.next(t.Context(), 1000, time.Minute)
			if took := time.Since(start); err != nil || !found.last || took != time.Second {
				t.Errorf("%+v, %v after %v; want the end after a second", found, err, took)
			}
		})
	})
	t.Run("directly", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newTestCarried(t)
			server, client := net.Pipe()
			defer client.Close()
			go c.carryDirectly(server, lines{}, []byte("head"), 0)
			time.AfterFunc(time.Second, c.vanish)
			start := time.Now()
			got, err := io.ReadAll(client)
			if took := time.Since(start); string(got) != "head" || took > time.Second+endWait {
				t.Errorf("%q, %v after %v; want the end after %v", got, err, took, time.Second+endWait)
			}
		})
	})
}

// TestPullDroppedMidway has the rest of a frame dropped because the client is too
// slow. What follows would be taken for the rest.
func TestPullDroppedMidway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCarried(t)
		c.send(lines{}.AppendMessage(nil, bytes.Repeat([]byte("x"), 2*streamPart)))
		p := c.pull(0)
		if found, err := p.next(t.Context(), streamPart, 0); err != nil || found.whole || found.size != streamPart {
			t.Fatalf("%+v, %v; want a part of a frame", found, err)
		}
		c.session.close(closeSlow)
		if found, err := p.next(t.Context(), streamPart, 0); err != errReplaced {
			t.Errorf("%q, %v; want the request to end", found.frames, err)
		}
		found, err := c.pull(0).next(t.Context(), streamPart, 0)
		if err != nil || !found.last || string(bytes.Join(found.frames, nil)) != `["close",3008,"slow"]`+"\n" {
			t.Errorf("the next request: %q, %v", found.frames, err)
		}
	})
}

// TestUnheard counts sessions that wait for the second request of their clients,
// and opens no more when there are too many.
func TestUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCarried(t)
		s := c.session.server
		step := func(what string, want int64) {
			t.Helper()
			if n := s.carried.unheard.Load(); n != want {
				t.Errorf("%s: %d wait, want %d", what, n, want)
			}
		}
		p := c.pull(0)
		step("carried", 0)
		p.leave()
		step("the request has ended", 1)
		s.carried.unheard.Add(maxUnheard - 1)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("POST", "/connection/websocket?via=poll", nil))
		if w.Code != http.StatusTooManyRequests {
			t.Errorf("one too many: %d %s, want 429", w.Code, w.Body)
		}
		s.carried.unheard.Add(1 - maxUnheard)
		c.acknowledge(0)
		p = c.pull(0)
		step("carried again", 0)
		p.leave()
		step("the client has come back once", 0)
	})
	synctest.Test(t, func(t *testing.T) {
		c := newTestCarried(t)
		time.Sleep(awayWait)
		synctest.Wait()
		if n := c.session.server.carried.unheard.Load(); n != 0 {
			t.Errorf("%d wait when all were given up", n)
		}
	})
}
