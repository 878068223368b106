package session_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"strings"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/session"
)

// shout is a protocol: it says in capitals what it hears.
type shout struct{ session.TextOnly }

func (shout) Name() string                                { return "shout" }
func (shout) Prepare(context.Context, access.Hello) error { return nil }
func (shout) Opened()                                     {}
func (shout) Gone()                                       { fmt.Println("the client has gone") }
func (shout) Ping()                                       {}
func (shout) Lost(*hub.Subscription)                      {}
func (shout) CloseCode(why session.Reason) (int, string)  { return why.Code() }

func (p shout) Text(text []byte) {
	answer := strings.ToUpper(string(text))
	p.Session.Send(p.Session.Framing().AppendMessage(nil, []byte(answer)))
}

// printer is a transport that prints what a client would hear, a message on a line.
type printer struct{}

func (printer) Name() string             { return "printer" }
func (printer) Framing() session.Framing { return line{} }
func (printer) Waiting() int             { return 0 }
func (printer) Ping()                    {}
func (printer) Abort()                   {}
func (printer) Remote() string           { return "nowhere" }

func (printer) Send(frames []byte) error {
	fmt.Printf("%s", frames)
	return nil
}

func (printer) Shut(code int, reason string, _ bool) { fmt.Println("closed:", code, reason) }

// The life of a session, as a transport leads it.
func Example() {
	h := hub.New(hub.Options{})
	registry := session.NewRegistry(session.Options{
		Hub: h, Guard: access.Rules{For: h.Rule}, Logger: slog.New(slog.DiscardHandler),
		Limits: session.Limits{Message: 1 << 10, Buffer: 1 << 20, Subscriptions: 10},
	})

	var hello access.Hello // of a request: access.HelloOf
	speak := func(s *session.Session) session.Protocol { return shout{session.TextOnly{Session: s}} }
	s, err := registry.Open(hello, printer{}, speak)
	if err != nil {
		log.Fatal(err) // the node is going down
	}
	defer s.End()
	if err := s.Prepare(hello); err != nil {
		log.Fatal(err) // the protocol lets the client not in
	}
	if !s.Begin() {
		return
	}
	s.Opened()

	s.Receive(session.Text, []byte("it is noon"))
	s.Receive(session.Binary, []byte{1, 2, 3})
	// Output:
	// IT IS NOON
	// closed: 1003 only text is spoken here
	// the client has gone
}
