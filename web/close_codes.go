package web

// closeReason is why the server ends a session. Each protocol has its own words
// for it.
type closeReason uint8

const (
	closeNormal      closeReason = iota // the client asked for it
	closeShutdown                       // the server is going down
	closeSlow                           // the client could not keep up
	closeGone                           // the client is gone, which writing to it has shown
	closeBadRequest                     // what the client sent makes no sense
	closeNotText                        // binary where text is spoken
	closeInvalidUTF8                    // text that is not UTF-8
	closeStale                          // no first command in time
	closeNoPong                         // no answer to a ping
	closeDenied                         // the client may not do that
	closeUnavailable                    // the broker is away
	closeLost                           // messages are lost that the client is to recover
	closeForced                         // a backend wants it
)

type closeCode struct {
	code   int
	reason string
}

// rawCodes are those of RFC 6455, section 7.4.1.
var rawCodes = map[closeReason]closeCode{
	closeNormal:      {1000, "bye"},
	closeShutdown:    {1001, "server is going down, come back"},
	closeSlow:        {1008, "too slow: the buffer limit (limits.buffer) is reached"},
	closeGone:        {1001, "gone"},
	closeBadRequest:  {1002, "bad request"},
	closeNotText:     {1003, "only text is spoken here"},
	closeInvalidUTF8: {1007, "text is not valid UTF-8"},
	closeStale:       {1002, "stale"},
	closeNoPong:      {1002, "no pong"},
	closeDenied:      {1008, "clients may not publish to this channel"},
	closeUnavailable: {1013, "not available now, try again later"},
	closeForced:      {1008, "closed by the server"},
}

// centrifugeCodes are those of the Centrifuge protocol: clients come back after
// 3000 to 3499, and stay away after 3500 to 3999. Below 3000 the codes are the
// transport's own.
var centrifugeCodes = map[closeReason]closeCode{
	closeNormal:      {3000, "connection closed"},
	closeShutdown:    {3001, "shutdown"},
	closeSlow:        {3008, "slow"},
	closeGone:        {3000, "connection closed"},
	closeBadRequest:  {3501, "bad request"},
	closeNotText:     {3501, "bad request: JSON in text frames is expected"},
	closeInvalidUTF8: {1007, "text is not valid UTF-8"},
	closeStale:       {3502, "stale: no connect command in time"},
	closeNoPong:      {3012, "no pong"},
	closeDenied:      {3507, "permission denied"},
	closeUnavailable: {3004, "internal server error"},
	closeLost:        {3010, "insufficient state"},
	closeForced:      {3503, "force disconnect"},
}

// Codes of the Centrifuge protocol for an unsubscribe push. From 2500 on the
// client subscribes again.
const (
	unsubscribeServer       = 2000 // a backend wants it
	unsubscribeInsufficient = 2500 // messages were lost
)

// Codes with which a backend may end sessions: those that RFC 6455, section
// 7.4.2, leaves to libraries and applications. Clients of the Centrifuge protocol
// come back after 3000 to 3499 and 4000 to 4499.
const minDisconnectCode, maxDisconnectCode = 3000, 4999
