package hub

import "errors"

// ErrUnavailable is wrapped by the errors of a broker that cannot be reached
// or refuses to work. Nothing was accepted, unless the error wraps
// [ErrUnanswered] too, and the call may be repeated.
var ErrUnavailable = errors.New("broker unavailable")

// ErrUnanswered is wrapped, beside [ErrUnavailable], when the broker may have
// been asked and its answer did not come: a publish may have been accepted.
var ErrUnanswered = errors.New("no answer, whether it was done is not known")

// RefusedError is wrapped, beside [ErrUnavailable], when the broker answers
// and does not do what it is asked. Nothing was accepted.
type RefusedError struct {
	// Reason is for everybody to see: "Redis is out of memory".
	Reason string
	// Lasts says that no waiting ends it: somebody has to mend something.
	Lasts bool
}

func (e *RefusedError) Error() string { return e.Reason }
