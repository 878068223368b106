package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"belfry/hub"
)

// Error is an error as a client hears it. It is compared by [errors.Is] with the
// variable that a room has declared, and not changed once it was made.
type Error struct {
	Kind    Kind
	Message string // public, and short
	// Code is the site's own, of an error of the kind Application; 0 otherwise.
	Code int
	// Temporary says that trying again may help.
	Temporary bool

	header [2]string // one more response header
}

// New makes an error of a kind.
func New(k Kind, message string) *Error {
	return &Error{Kind: k, Message: message, Temporary: kinds[k].temporary}
}

// Newf is New with a text that is formatted.
func Newf(k Kind, format string, args ...any) *Error { return New(k, fmt.Sprintf(format, args...)) }

// With returns a copy that is answered with one more response header.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.header = [2]string{name, value}
	return &c
}

// Error is the public text.
func (e *Error) Error() string { return e.Message }

// Field says which field of a request breaks which rule.
func Field(field, rule string) *Error { return New(BadRequest, field+": "+rule) }

// body is an error in the body of an answer.
type body struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary,omitempty"`
}

// MarshalJSON words the error as the HTTP API does.
func (e *Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.body()) }

func (e *Error) body() body {
	code := e.Code
	if e.Kind != Application {
		code = kinds[e.Kind].code
	}
	return body{code, e.Message, e.Temporary}
}

// Packed is an error on its way from one node to another, as JSON.
type Packed struct {
	body
	Status int `json:"status"`
}

// Pack is what another node is told of an error; nil: nothing went wrong.
func Pack(err error) *Packed {
	if err == nil {
		return nil
	}
	e := From(err)
	return &Packed{e.body(), e.Kind.Status()}
}

// Unpack returns the error that another node has packed, or nil.
func (p *Packed) Unpack() error {
	if p == nil {
		return nil
	}
	return &Error{Kind: kindOf(p.Status, p.Code), Message: p.Message, Code: p.Code, Temporary: p.Temporary}
}

var (
	errInternal   = New(Internal, "internal server error")
	errAway       = New(Unavailable, "the broker is away; nothing was done, try again")
	errNotReady   = New(NotServing, "not ready: the broker is away")
	errUnanswered = New(Unavailable, "the broker did not answer in time; whether it was done is not known, try again")
)

// From is what the world hears of an error that is not nil.
func From(err error) *Error {
	var public *Error
	var refusal *hub.RefusedError
	var limit *hub.LimitError
	switch {
	case errors.As(err, &public):
		return public
	case errors.Is(err, hub.ErrChannelName):
		return Field("channel", strings.TrimPrefix(unwrapped(err, hub.ErrChannelName), hub.ErrChannelName.Error()+": "))
	case errors.Is(err, hub.ErrUnknownChannel):
		return New(UnknownChannel, unwrapped(err, hub.ErrUnknownChannel))
	case errors.As(err, &limit):
		return New(TooMany, limit.Error()+"; nothing was done, try again later")
	case errors.As(err, &refusal) && refusal.Lasts:
		return New(Unusable, refusal.Reason+"; nothing was done")
	case errors.As(err, &refusal):
		return New(Unavailable, refusal.Reason+"; nothing was done, try again")
	case errors.Is(err, hub.ErrUnanswered):
		return errUnanswered
	case errors.Is(err, hub.ErrUnavailable):
		return errAway
	}
	return errInternal
}

// NotReady is what a node says of itself whose hub is not ready for a reason.
func NotReady(err error) *Error {
	var refusal *hub.RefusedError
	if errors.As(err, &refusal) {
		return New(NotServing, "not ready: "+refusal.Reason)
	}
	return errNotReady
}

// unwrapped is the text of an error from the one of the hub on. What was wrapped
// around that is for the log.
func unwrapped(err, inner error) string {
	text := err.Error()
	return text[max(0, strings.Index(text, inner.Error())):]
}
