package token

import "fmt"

// Reason is why a token is not accepted, as far as whoever shows it can act on it.
type Reason uint8

const (
	Bad       Reason = iota // it never will be
	Expired                 // it was, until a time
	Premature               // it will be, from a time on
	Away                    // keys could not be fetched: it may be soon
)

// Error is why a token is not accepted. Its text is for the log: it names keys and
// what a token says of itself, but neither the token nor a secret.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return e.Detail }

func errorf(r Reason, format string, args ...any) error {
	return &Error{r, fmt.Sprintf(format, args...)}
}
