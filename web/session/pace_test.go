package session_test

import (
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

// busy is a protocol that does so much for each message as the message says: p
// publishes, c is a command.
type busy struct {
	protocol
	published int
	refusals  []error
}

func (p *busy) Text(text []byte) {
	p.heard = append(p.heard, "")
	for _, what := range string(text) {
		if what == 'c' {
			p.Turn()
			continue
		}
		ctx, cancel := session.CallContext()
		if err := p.Session.Publish(ctx, "chat", []byte("1")); err != nil {
			p.refusals = append(p.refusals, err)
		} else {
			p.published++
		}
		cancel()
	}
}

// inPaceBubble gives a test sessions that may publish ten messages a second, where
// waiting takes no time.
func inPaceBubble(t *testing.T, test func(t *testing.T, open func() (*session.Session, *busy))) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := hubtest.Run(t, hub.Options{Rules: hub.Rules{{Match: "chat", ClientPublish: true}}})
		r := session.NewRegistry(session.Options{
			Hub: h, Guard: access.Rules{For: h.Rule}, Logger: slog.New(slog.DiscardHandler),
			Limits: session.Limits{Message: 1 << 20, Buffer: 1 << 10, Subscriptions: 2, PublishRate: 10},
		})
		test(t, func() (*session.Session, *busy) {
			p := &busy{}
			s, err := r.Open(access.Hello{}, &transport{}, func(s *session.Session) session.Protocol {
				p.TextOnly = session.TextOnly{Session: s}
				return p
			})
			if err != nil || !s.Begin() {
				t.Fatal("no session: ", err)
			}
			t.Cleanup(s.End)
			return s, p
		})
	})
}

// A client that says one thing after the other is slowed down, and nothing of what it
// says is refused.
func TestFastPublisherIsSlowedDown(t *testing.T) {
	inPaceBubble(t, func(t *testing.T, open func() (*session.Session, *busy)) {
		s, p := open()
		begin := time.Now()
		for range 120 {
			s.Receive(session.Text, []byte("p"))
		}
		if d := time.Since(begin).Round(time.Second); p.published != 120 || d != 10*time.Second {
			t.Errorf("%d published in %v, %d refused; want 20 at once and 10 a second: 120 in 10 s", p.published, d, len(p.refusals))
		}
	})
}

// What one message brings beyond the burst is refused, and others go on meanwhile.
func TestFloodOfPublishesIsRefused(t *testing.T) {
	inPaceBubble(t, func(t *testing.T, open func() (*session.Session, *busy)) {
		s, p := open()
		_, other := open()
		s.Receive(session.Text, []byte(strings.Repeat("p", 1000)))
		if p.published != 20 || len(p.refusals) != 980 {
			t.Fatalf("%d published and %d refused, want 20 and 980", p.published, len(p.refusals))
		}
		if e := fault.From(p.refusals[0]); e.Kind != fault.TooMany || !strings.Contains(e.Message, "limits.publish_rate") {
			t.Errorf("refused with %v", e)
		}
		other.Text([]byte("p"))
		if other.published != 1 {
			t.Errorf("another session: %v", other.refusals)
		}
		s.Receive(session.Text, []byte("p"))
		if p.published != 21 {
			t.Errorf("the next message: %v", p.refusals[980:])
		}
	})
}

// Who has said many commands at once is not read until others could say as many.
func TestFloodOfCommandsWaits(t *testing.T) {
	inPaceBubble(t, func(t *testing.T, open func() (*session.Session, *busy)) {
		s, p := open()
		begin := time.Now()
		s.Receive(session.Text, []byte(strings.Repeat("c", 512)))
		s.Receive(session.Text, []byte(strings.Repeat("c", 1000)))
		if d := time.Since(begin); d != 0 {
			t.Errorf("the first two waited %v", d)
		}
		s.Receive(session.Text, []byte("c"))
		if d := time.Since(begin).Round(time.Second); d != 10*time.Second || len(p.heard) != 3 {
			t.Errorf("the third waited %v, want 10 s for 1000 commands", d)
		}
	})
}

// A session that closes does not wait for its turn.
func TestClosingSessionDoesNotWait(t *testing.T) {
	inPaceBubble(t, func(t *testing.T, open func() (*session.Session, *busy)) {
		s, _ := open()
		s.Receive(session.Text, []byte(strings.Repeat("c", 10_000)))
		begin := time.Now()
		time.AfterFunc(time.Second, func() { s.Close(session.Shutdown) })
		s.Receive(session.Text, []byte("c"))
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("it waited for %v", d)
		}
	})
}

// Large answers are made by half of the processors, one after the other.
func TestLargeAnswersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newUnreadNode(t)
		begin, turns, making, most := time.Now(), max(1, runtime.GOMAXPROCS(0)/2), atomic.Int64{}, atomic.Int64{}
		for range 10 * turns {
			go n.InTurn(func() {
				most.Store(max(most.Load(), making.Add(1)))
				time.Sleep(time.Millisecond)
				making.Add(-1)
			})
		}
		synctest.Wait()
		n.InTurn(func() {})
		synctest.Wait()
		if d := time.Since(begin); most.Load() != int64(turns) || d != 10*time.Millisecond {
			t.Errorf("%d at a time, in %v; want %d, and ten after one another of a millisecond each", most.Load(), d, turns)
		}
	})
}

// So many read for large answers at a time, and who is not let in says so.
func TestReadersOfLargeAnswersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newUnreadNode(t)
		var done []func()
		for {
			ctx, cancel := session.CallContext()
			read, err := n.ReadInTurn(ctx)
			cancel()
			if err != nil {
				if e := fault.From(err); e.Kind != fault.TooMany || !e.Temporary {
					t.Errorf("one more hears %v", err)
				}
				break
			}
			done = append(done, read)
		}
		if want := 2 * runtime.GOMAXPROCS(0); len(done) != want {
			t.Errorf("%d read at a time, want %d", len(done), want)
		}
		done[0]()
		if read, err := n.ReadInTurn(t.Context()); err != nil {
			t.Errorf("after one was done: %v", err)
		} else {
			read()
		}
	})
}
