package session_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/session"
)

// TestReceive is about the one door for what clients say.
func TestReceive(t *testing.T) {
	for name, c := range map[string]struct {
		kind  session.Kind
		data  string
		code  int // 0: the session goes on
		heard []string
	}{
		"text":               {session.Text, "späte", 0, []string{"späte"}},
		"nothing":            {session.Text, "", 0, []string{""}},
		"as many bytes":      {session.Text, "12345678", 0, []string{"12345678"}},
		"one byte more":      {session.Text, "123456789", 1009, nil},
		"not UTF-8":          {session.Text, "a\xff", 1007, nil},
		"cut within a sign":  {session.Text, "sp\xc3", 1007, nil},
		"binary":             {session.Binary, "1", 1003, nil},
		"binary of any kind": {session.Binary, "\xff", 1003, nil},
		"too much binary":    {session.Binary, "123456789", 1009, nil},
		"too much not UTF-8": {session.Text, "\xff23456789", 1009, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newNode(t).open(t)
			defer s.End()
			s.Receive(c.kind, []byte(c.data))
			if s.transport.code != c.code || !slices.Equal(s.protocol.heard, c.heard) {
				t.Errorf("closed with %d, and heard %q; want %d and %q", s.transport.code, s.protocol.heard, c.code, c.heard)
			}
		})
	}
}

// TestEvict counts a client that is gone apart from one that is too slow.
func TestEvict(t *testing.T) {
	slow := errors.New("its buffer is full")
	for name, c := range map[string]struct {
		why           error
		evicted, gone int64
		code          int
		drop          bool
	}{
		"slow":          {slow, 1, 0, 1008, true},
		"gone":          {net.ErrClosed, 0, 1, 1001, false},
		"gone, wrapped": {fmt.Errorf("write: %w", net.ErrClosed), 0, 1, 1001, false},
		"unknown":       {nil, 1, 0, 1008, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			s := n.open(t)
			defer s.End()
			s.Evict(c.why)
			s.Evict(c.why) // a second time counts nothing
			s.Evict(slow)
			if n.NumEvicted() != c.evicted || n.NumVanished() != c.gone {
				t.Errorf("%d evicted and %d gone, want %d and %d", n.NumEvicted(), n.NumVanished(), c.evicted, c.gone)
			}
			if got := s.transport; got.shut != 1 || got.code != c.code || got.drop != c.drop {
				t.Errorf("shut %d times with %d, drop %t", got.shut, got.code, got.drop)
			}
		})
	}
}

// TestEvictedByAnswer has a client take no answer, or no message.
func TestEvictedByAnswer(t *testing.T) {
	n := newNode(t)
	answered, told := n.open(t), n.open(t, "chat")
	answered.transport.refuse, told.transport.refuse = errors.New("full"), net.ErrClosed
	answered.Send([]byte("answer\n"))
	hubtest.Publish(t, n.hub, "chat", `"x"`)
	hubtest.Eventually(t, hubtest.Patience, func() bool { return n.NumEvicted() == 1 && n.NumVanished() == 1 }, "one is evicted, and one is gone")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return n.log.String() != "" }, "the log tells")
	if text := n.log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "evicted: the client is too slow") {
		t.Errorf("the log has %q, want a line on the one that was evicted", text)
	}
	answered.End()
	told.End()
}

// TestCloseOnce wants the first to close a session to have the word.
func TestCloseOnce(t *testing.T) {
	n := newNode(t)
	s := n.open(t)
	if !s.CloseWith(4001, "the first", true) || s.CloseWith(4002, "the second", false) || s.BeginClosing() {
		t.Error("not only the first call is told that it was")
	}
	s.Close(session.Slow)
	if got := s.transport; got.shut != 1 || got.code != 4001 || got.reason != "the first" || !got.drop || n.NumEvicted() != 0 {
		t.Errorf("shut %d times with %d %q, drop %t; %d evicted", got.shut, got.code, got.reason, got.drop, n.NumEvicted())
	}
	s.End()
}

// TestReasons wants a code of RFC 6455 and a text that fits into a close frame for
// every reason.
func TestReasons(t *testing.T) {
	for why := session.Normal; why <= session.Forced; why++ {
		if code, text := why.Code(); code < 1000 || code > 1015 || text == "" || len(text) > 123 {
			t.Errorf("reason %d: %d %q", why, code, text)
		}
	}
}

func TestSubscribe(t *testing.T) {
	n := newNode(t)
	s := n.open(t, "chat:1", "chat:2")
	for channel, want := range map[string]error{
		"chat:1":  session.ErrAlreadySubscribed,
		"chat:3":  session.ErrSubscriptionLimit,
		"nowhere": hub.ErrUnknownChannel,
	} {
		if err := s.protocol.subscribe(t.Context(), channel); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", channel, err, want)
		}
	}
	if !s.Unsubscribe("chat:1") || s.Unsubscribe("chat:1") || n.hub.NumSubscribers("chat:1") != 0 {
		t.Error("unsubscribing is done once, and done")
	}
	s.End()
	if err := s.protocol.subscribe(t.Context(), "chat:1"); !errors.Is(err, session.ErrGone) || len(n.hub.Channels("*")) != 0 {
		t.Errorf("a client that has gone: %v, and the hub has %v", err, n.hub.Channels("*"))
	}
}

// TestPublish brings what a client says to the others, with who it is.
func TestPublish(t *testing.T) {
	n := newNode(t)
	r := hubtest.Listen(t, n.hub, "chat", "r")
	s := n.open(t)
	defer s.End()
	if err := s.Publish(t.Context(), "chat", []byte(`"hi"`)); err != nil {
		t.Fatal(err)
	}
	r.Want(t, "hi")
	if from := r.Messages()[0].Info; from == nil || from.Client != s.ID() {
		t.Errorf("said by %+v, want %s", from, s.ID())
	}
	if err := s.PublishAsServer(t.Context(), "chat", []byte(`"bye"`)); err != nil {
		t.Fatal(err)
	}
	r.Want(t, "hi", "bye")
	if from := r.Messages()[1].Info; from != nil {
		t.Errorf("what the server says is said by %+v", from)
	}
}

func TestMayRead(t *testing.T) {
	s := newNode(t).open(t, "chat:1")
	defer s.End()
	if rule, err := s.MayRead(t.Context(), access.ReadHistory, "chat:1"); err != nil || rule == nil {
		t.Errorf("where it listens: %v, %v", rule, err)
	}
	if _, err := s.MayRead(t.Context(), access.ReadHistory, "chat:2"); err == nil || fault.From(err).Kind != fault.Denied {
		t.Errorf("elsewhere: %v", err)
	}
}

// TestDeliver brings messages in the framing of the transport, once for each.
func TestDeliver(t *testing.T) {
	n := newNode(t)
	a, b := n.open(t, "chat"), n.open(t, "chat")
	b.DeliverBy(func(_ *hub.Subscription, d hub.Delivery) error { return b.Transmit([]byte("by another way\n")) })
	hubtest.Publish(t, n.hub, "chat", "1")
	sent := func(c client) string {
		c.transport.mu.Lock()
		defer c.transport.mu.Unlock()
		return c.transport.sent
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return sent(a) != "" && sent(b) != "" }, "both hear")
	if sent(a) != "1\n" || sent(b) != "by another way\n" {
		t.Errorf("sent %q and %q", sent(a), sent(b))
	}
	a.End()
	b.End()
}

// TestSubprotocol picks one of what a client offers, which may come in several
// lists, and leaves out what is no token.
func TestSubprotocol(t *testing.T) {
	e := session.Endpoint{Choose: func(offered []string) (string, session.Speak) { return fmt.Sprint(offered), nil }}
	for _, c := range []struct {
		lists []string
		want  string
	}{
		{nil, "[]"},
		{[]string{"a, b", "c"}, "[a b c]"},
		{[]string{" a ,, b;q=1, c d, (e), f\x00, g-1.x"}, "[a g-1.x]"},
	} {
		if got, _ := e.Agree(c.lists); got != c.want {
			t.Errorf("%q: got %s, want %s", c.lists, got, c.want)
		}
	}
}

// Sessions whose protocol is no Joiner are left as they are.
func TestNoJoiner(t *testing.T) {
	n := newNode(t)
	s := n.open(t, "chat:1")
	defer s.End()
	if err := s.Join(t.Context(), session.Joining{Channel: "chat:2"}); err != nil {
		t.Error(err)
	}
	s.Leave("chat:1")
	if n.hub.NumSubscribers("chat:1") != 1 || n.hub.NumSubscribers("chat:2") != 0 {
		t.Errorf("the hub has %v", n.hub.Channels("*"))
	}
}
