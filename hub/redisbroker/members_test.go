package redisbroker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/hub"
)

// settled is what the keeper would send, noted as done.
func settled(s *members) (sent []string) {
	for _, c := range s.take(100) {
		sent = append(sent, c.String())
		s.done(c)
	}
	return sent
}

func (c change) String() string {
	text := c.client
	for _, part := range []struct {
		is   bool
		text string
	}{{c.leave, " leave"}, {c.force, " forced"}, {c.join, " join"}, {c.join && c.quiet, " quietly"}} {
		if part.is {
			text += part.text
		}
	}
	return text
}

func TestMembers(t *testing.T) {
	failed := errors.New("away")
	join := func(s *members, name string) { s.join("chat", hub.ClientInfo{Client: name}) }
	for _, c := range []struct {
		name string
		do   func(*members)
		want []string
	}{
		{"join", func(s *members) { join(s, "a") }, []string{"a join"}},
		{"leave before it was sent", func(s *members) { join(s, "a"); s.leave("chat", "a") }, nil},
		{"leave, join before it was sent", func(s *members) { join(s, "a"); s.leave("chat", "a"); join(s, "a") }, []string{"a join"}},
		{"leave", func(s *members) { join(s, "a"); settled(s); s.leave("chat", "a") }, []string{"a leave"}},
		{"leave and join", func(s *members) { join(s, "a"); settled(s); s.leave("chat", "a"); join(s, "a") }, []string{"a leave join"}},
		{"join twice", func(s *members) { join(s, "a"); settled(s); join(s, "a") }, nil},
		{"join twice, leave once", func(s *members) { join(s, "a"); join(s, "a"); settled(s); s.leave("chat", "a") }, nil},
		{"another info", func(s *members) { join(s, "a"); settled(s); s.join("chat", hub.ClientInfo{Client: "a", User: "u"}) }, []string{"a join quietly"}},
		{"leave while it is sent", func(s *members) {
			join(s, "a")
			sent := s.take(1)
			s.leave("chat", "a")
			s.done(sent[0])
		}, []string{"a leave"}},
		{"leave while it is sent, which fails", func(s *members) {
			join(s, "a")
			sent := s.take(1)
			s.leave("chat", "a")
			s.undone(sent[0], failed)
		}, []string{"a leave"}},
		{"leave fails, then join", func(s *members) {
			join(s, "a")
			settled(s)
			s.leave("chat", "a")
			s.undone(s.take(1)[0], failed)
			join(s, "a")
		}, []string{"a leave join"}},
		{"join while the leave is sent", func(s *members) {
			join(s, "a")
			settled(s)
			s.leave("chat", "a")
			sent := s.take(1)
			join(s, "a")
			s.done(sent[0])
		}, []string{"a join"}},
		{"refused", func(s *members) { join(s, "a"); s.refuse(s.take(1)[0], failed) }, nil},
		{"refused, and again", func(s *members) { join(s, "a"); s.refuse(s.take(1)[0], failed); s.retry() }, []string{"a join"}},
		{"refused, left, and again", func(s *members) {
			join(s, "a")
			s.refuse(s.take(1)[0], failed)
			s.leave("chat", "a")
			settled(s)
			s.retry()
		}, nil},
		{"data lost", func(s *members) { join(s, "a"); settled(s); join(s, "b"); s.lose() }, []string{"b join", "a join quietly"}},
		{"data lost, then leave", func(s *members) { join(s, "a"); settled(s); s.lose(); s.leave("chat", "a") }, []string{"a leave forced"}},
		{"leave, then data lost", func(s *members) { join(s, "a"); settled(s); s.leave("chat", "a"); s.lose() }, []string{"a leave forced"}},
		{"leave, join, then data lost", func(s *members) { join(s, "a"); settled(s); s.leave("chat", "a"); join(s, "a"); s.lose() }, []string{"a leave forced join"}},
		{"taken for gone", func(s *members) { join(s, "a"); settled(s); s.reaped() }, []string{"a join"}},
		{"leave, taken for gone", func(s *members) { join(s, "a"); settled(s); s.leave("chat", "a"); s.reaped() }, nil},
		{"data lost, taken for gone", func(s *members) { join(s, "a"); settled(s); s.lose(); s.reaped() }, []string{"a join"}},
		{"a stray", func(s *members) { join(s, "a"); settled(s); s.stray("chat", "a"); s.stray("chat", "b") }, []string{"b leave"}},
		{"a leave of nobody", func(s *members) { s.leave("chat", "a"); join(s, "a"); s.leave("chat", "b") }, []string{"a join"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newMembers()
			c.do(&s)
			if diff := cmp.Diff(c.want, settled(&s)); diff != "" {
				t.Errorf("-want +sent:\n%s", diff)
			}
			if again := settled(&s); len(again) > 0 {
				t.Errorf("and then %q was sent", again)
			}
		})
	}
}

// Clients come and go while Redis is away; they must not pile up.
func TestMembersDoNotPileUp(t *testing.T) {
	s := newMembers()
	s.join("chat", hub.ClientInfo{Client: "stays"})
	for i := range 100_000 {
		name := fmt.Sprint(i)
		s.join("chat", hub.ClientInfo{Client: name})
		s.leave("chat", name)
		if i%1000 == 0 {
			s.undone(s.take(1)[0], errors.New("away"))
		}
	}
	if len(s.all) != 1 || len(s.queue) > 2*memberBatch {
		t.Errorf("%d members and %d keys are kept", len(s.all), len(s.queue))
	}
	if sent := settled(&s); len(sent) != 1 || sent[0] != "stays join" {
		t.Errorf("sent was %q", sent)
	}
}

// Who waits for a join hears what came of it, also when the client is gone by then.
func TestMembersAnswer(t *testing.T) {
	s := newMembers()
	failed := errors.New("away")
	first := s.join("chat", hub.ClientInfo{Client: "a"})
	second := s.join("chat", hub.ClientInfo{Client: "a"})
	s.undone(s.take(1)[0], nil) // no lease: they wait on
	third := s.join("chat", hub.ClientInfo{Client: "a"})
	s.undone(s.take(1)[0], failed)
	for i, done := range []<-chan error{first, second, third} {
		if err := <-done; !errors.Is(err, failed) {
			t.Errorf("join %d: %v", i, err)
		}
	}
	unsent := s.join("chat", hub.ClientInfo{Client: "b"})
	s.leave("chat", "b")
	if err := <-unsent; err != nil {
		t.Errorf("a join that was taken back: %v", err)
	}
}
