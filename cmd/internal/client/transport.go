package client

// Transport is how messages come down to a session.
type Transport string

// The transports. Those over HTTP are Belfry's own, at the path of the WebSocket
// endpoint.
const (
	WebSocket Transport = "websocket"
	Events    Transport = "events" // an event stream
	Stream    Transport = "stream" // a response of lines that does not end
	Poll      Transport = "poll"   // one response after another
)

// OverHTTP reports whether sessions are carried by HTTP requests.
func (t Transport) OverHTTP() bool { return t == Events || t == Stream || t == Poll }

// Known reports whether it is one of the transports; empty stands for WebSocket.
func (t Transport) Known() bool { return t == "" || t == WebSocket || t.OverHTTP() }

// request is the method and the query that open a session. Browsers open an event
// stream with GET, and so is it measured.
func (t Transport) request() (method, query string) {
	if t == Events {
		return "GET", "via=events"
	}
	return "POST", "via=" + string(t)
}
