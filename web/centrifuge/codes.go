package centrifuge

import (
	"slices"

	"belfry/web/fault"
	"belfry/web/session"
)

// replyError is an error in a reply.
type replyError struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary,omitempty"`
}

// errorCodes are those of the Centrifuge protocol (centrifugal/centrifuge,
// errors.go), for every kind but Application, which brings its own. Clients take a
// reply with the code 0 for no error.
var errorCodes = [...]int{
	fault.Internal:          100,
	fault.Unavailable:       100,
	fault.Unusable:          100,
	fault.NotServing:        100,
	fault.Unauthorized:      101,
	fault.UnknownChannel:    102,
	fault.NoToken:           103,
	fault.BadToken:          103,
	fault.ExpiredToken:      109,
	fault.OthersToken:       103,
	fault.Denied:            103,
	fault.Foreign:           103,
	fault.Misdirected:       103,
	fault.NotFound:          104,
	fault.WrongMethod:       104,
	fault.UnknownMethod:     104,
	fault.AlreadySubscribed: 105,
	fault.Limit:             106,
	fault.TooLarge:          106,
	fault.BadRequest:        107,
	fault.Upgrade:           107,
	fault.NotAvailable:      108,
	fault.Ended:             108,
	fault.TooMany:           111,
	fault.Unrecoverable:     112,
}

// newReplyError words an error.
func newReplyError(e *fault.Error) *replyError {
	code := e.Code
	if e.Kind != fault.Application {
		code = errorCodes[e.Kind]
	}
	// A client that is told otherwise gives a channel up, and is still there when
	// somebody has mended the broker.
	return &replyError{code, e.Message, e.Temporary || e.Kind == fault.Unusable}
}

// closeCodes are those of the protocol: clients come back after 3000 to 3499, and
// stay away after 3500 to 3999. Below 3000 the codes are the transport's own.
var closeCodes = [...]struct {
	code   int
	reason string
}{
	session.Normal:              {3000, "connection closed"},
	session.Shutdown:            {3001, "shutdown"},
	session.Slow:                {3008, "slow"},
	session.Vanished:            {3000, "connection closed"},
	session.BadRequest:          {3501, "bad request"},
	session.NotText:             {3501, "bad request: JSON in text frames is expected"},
	session.InvalidUTF8:         {1007, "text is not valid UTF-8"},
	session.Stale:               {3502, "stale: no connect command in time"},
	session.NoPong:              {3012, "no pong"},
	session.Denied:              {3507, "permission denied"},
	session.Unavailable:         {3004, "internal server error"},
	session.Lost:                {3010, "insufficient state"},
	session.Expired:             {3005, "connection expired"},
	session.SubscriptionExpired: {3006, "subscription expired"},
	session.BadToken:            {3500, "invalid token"},
	session.Crowded:             {3504, "connection limit"},
	session.Forced:              {3503, "force disconnect"},
}

// codeInappropriate is that of the protocol for another protocol than is spoken.
const codeInappropriate = 3506

// Codes of an unsubscribe push. From 2500 on the client subscribes again.
const (
	unsubscribeServer       = 2000 // a backend wants it
	unsubscribeInsufficient = 2500 // messages were lost
	unsubscribeExpired      = 2501 // the token for the subscription is over
)

// ending is an error of a command that ends the session, and answers nothing else.
type ending struct {
	why session.Reason
	err error
}

func (e *ending) Error() string { return e.err.Error() }

// ends makes an error end the session, if it is of one of some kinds.
func ends(err error, why session.Reason, kinds ...fault.Kind) error {
	if err == nil || !slices.Contains(kinds, fault.From(err).Kind) {
		return err
	}
	return &ending{why, err}
}
