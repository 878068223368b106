package session

// Framing wraps one message for a transport. It is comparable: equal framings
// share frames.
type Framing interface {
	// AppendMessage appends the payload, wrapped, and returns the extended slice.
	AppendMessage(dst, payload []byte) []byte
}

// Transport carries frames to one client, and its messages to the session. Its
// methods are safe for several goroutines and do not block.
type Transport interface {
	// Name is what logs call this kind of transport.
	Name() string
	// Send writes whole frames, and keeps the slice. When it does not take them
	// it returns why: wire.ErrSlow when the client is too far behind, and
	// net.ErrClosed when it is gone.
	Send(frames []byte) error
	// Waiting returns how many bytes of the allowance, Limits.Buffer, wait for the
	// client.
	Waiting() int
	// Framing says how a message is wrapped on this transport.
	Framing() Framing
	// Shut tells the client why, and closes. With drop, what waits is left out.
	Shut(code int, reason string, drop bool)
	// Ping asks the client whether it is there. The transport itself ends the
	// session when no answer comes.
	Ping()
	// Abort closes at once.
	Abort()
	// Remote is the client's address.
	Remote() string
}
