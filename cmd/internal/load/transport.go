package load

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

// overHTTP reports whether sessions are carried by HTTP requests.
func (t Transport) overHTTP() bool { return t == Events || t == Stream || t == Poll }

func (t Transport) known() bool { return t == "" || t == WebSocket || t.overHTTP() }

// request is the method and the query that open a session.
func (t Transport) request() (method, query string) {
	if t == Events {
		return "GET", "via=events"
	}
	return "POST", "via=" + string(t)
}
