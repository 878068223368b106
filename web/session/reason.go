package session

// Reason is why the server ends a session. Each protocol has its own words for
// it.
type Reason uint8

const (
	Normal              Reason = iota // the client asked for it
	Shutdown                          // the server is going down
	Slow                              // the client could not keep up
	Vanished                          // the client is gone, which writing to it has shown
	BadRequest                        // what the client sent makes no sense
	NotText                           // binary where text is spoken
	InvalidUTF8                       // text that is not UTF-8
	Stale                             // no first command in time
	NoPong                            // no answer to a ping
	Denied                            // the client may not do that
	Unavailable                       // the broker is away
	Lost                              // messages are lost that the client is to recover
	Expired                           // the token of the client is over
	SubscriptionExpired               // that of a subscription is, which the server has made
	BadToken                          // what the client shows does not say who it is
	Crowded                           // the user has enough connections
	Forced                            // a backend wants it; the last reason
)

// Code is a reason in the words of RFC 6455, section 7.4.1, for protocols that
// have none of their own.
func (r Reason) Code() (code int, reason string) {
	c := codes[r]
	return c.code, c.reason
}

var codes = [...]struct {
	code   int
	reason string
}{
	Normal:              {1000, "bye"},
	Shutdown:            {1001, "server is going down, come back"},
	Slow:                {1008, "too slow: the buffer limit (limits.buffer) is reached"},
	Vanished:            {1001, "gone"},
	BadRequest:          {1002, "bad request"},
	NotText:             {1003, "only text is spoken here"},
	InvalidUTF8:         {1007, "text is not valid UTF-8"},
	Stale:               {1002, "stale"},
	NoPong:              {1002, "no pong"},
	Denied:              {1008, "clients may not publish to this channel"},
	Unavailable:         {1013, "not available now, try again later"},
	Lost:                {1013, "messages are lost, come back"},
	SubscriptionExpired: {1008, "the token of a subscription has expired"},
	Expired:             {1008, "the token has expired: come back with another"},
	BadToken:            {1008, "invalid token"},
	Crowded:             {1008, "too many connections of this user"},
	Forced:              {1008, "closed by the server"},
}

// CodeTooBig is that of a message over the limit (RFC 6455, section 7.4.1). It is
// the transport's, whatever the protocol, as a WebSocket library would send it.
const CodeTooBig = 1009
