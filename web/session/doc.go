// Package session has clients that are connected.
//
// A [Session] joins a [Transport], which is how bytes travel, to a [Protocol],
// which is what they say; neither knows the other. What a client says comes in by
// one door, [Session.Receive]; what it hears goes out by one, [Transport].Send.
// Each session is a subscriber of the hub, and reaches it by [Session.Subscribe]
// and [Session.Publish] alone, which ask the guard.
//
// A [Registry] has the sessions of one node: it admits clients before anything is
// subscribed for them, finds them, pings them, and sends them away when the node
// goes down. The life of a session, as a transport leads it:
//
//	s, err := registry.Open(hello, transport, speak) // admitted, and counted
//	err = s.Prepare(hello)                           // the protocol may refuse
//	ok := s.Begin()                                  // registered: it can be closed from now on
//	s.Opened()                                       // it can be written to
//	s.Receive(session.Text, text)                    // again and again
//	s.End()                                          // once, also after an error
package session
