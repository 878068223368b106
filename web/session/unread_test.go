package session_test

import (
	"log/slog"
	"testing"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/session"
)

// reader is a transport whose client reads now and then: what was sent waits until
// then.
type reader struct {
	transport
	waiting int
}

func (r *reader) Waiting() int { return r.waiting }

func (r *reader) Send(frames []byte) error {
	r.waiting += len(frames)
	return nil
}

// unreadNode is a registry whose clients together may have 1 MiB unread.
type unreadNode struct {
	*session.Registry
	t *testing.T
}

func newUnreadNode(t *testing.T) unreadNode {
	h := hub.New(hub.Options{})
	return unreadNode{session.NewRegistry(session.Options{
		Hub: h, Guard: access.Rules{For: h.Rule}, Logger: slog.New(slog.DiscardHandler),
		Limits: session.Limits{Message: 8, Buffer: 1 << 20, Subscriptions: 2, Unread: 1 << 20},
	}), t}
}

func (n unreadNode) open() (*session.Session, *reader) {
	n.t.Helper()
	r := &reader{}
	s, err := n.Open(access.Hello{}, r, func(s *session.Session) session.Protocol {
		return &protocol{TextOnly: session.TextOnly{Session: s}}
	})
	if err != nil || !s.Begin() {
		n.t.Fatal("no session: ", err)
	}
	return s, r
}

// answer sends a client so many bytes of its own.
func answer(s *session.Session, bytes int) {
	for ; bytes > 0; bytes -= 16 << 10 {
		s.Send(make([]byte, 16<<10))
	}
}

// TestUnreadAnswersAreBounded has clients ask for much and read nothing: those who do
// so for the longest time go, and those who read stay.
func TestUnreadAnswersAreBounded(t *testing.T) {
	n := newUnreadNode(t)
	honest, reads := n.open()
	answer(honest, 256<<10)
	reads.waiting = 0
	var deaf []*reader
	for range 10 {
		s, r := n.open()
		defer s.End()
		answer(s, 256<<10)
		deaf = append(deaf, r)
		answer(honest, 64<<10)
		reads.waiting = 0
	}
	for i, r := range deaf {
		if gone := r.shut > 0; gone != (i < 7) {
			t.Errorf("client %d of 10 was sent away: %t", i+1, gone)
		}
	}
	if reads.shut > 0 {
		t.Error("one who reads was sent away")
	}
	if n.NumEvicted() != 7 {
		t.Errorf("%d were evicted", n.NumEvicted())
	}
	honest.End()
}

// TestUnreadEndsWithTheSession lets nothing be counted of those who have gone.
func TestUnreadEndsWithTheSession(t *testing.T) {
	n := newUnreadNode(t)
	for range 20 {
		s, _ := n.open()
		answer(s, 512<<10)
		s.End()
	}
	s, r := n.open()
	defer s.End()
	answer(s, 1<<20)
	if r.shut > 0 {
		t.Error("one who is alone was sent away for those who have gone")
	}
}

// TestUnreadAnswersOfRequests counts answers to those who are no sessions.
func TestUnreadAnswersOfRequests(t *testing.T) {
	n := newUnreadNode(t)
	var gone []int
	hold := func(i int) func() { return n.HoldAnswer(512<<10, func() { gone = append(gone, i) }) }
	first, second := hold(1), hold(2)
	second()
	third := hold(3)
	if len(gone) > 0 {
		t.Errorf("%v were given up although there is room", gone)
	}
	hold(4)
	if len(gone) != 1 || gone[0] != 1 {
		t.Errorf("%v were given up, want the first", gone)
	}
	first()
	third()
	hold(5)
	if len(gone) != 1 {
		t.Errorf("%v were given up in the end", gone)
	}
}
