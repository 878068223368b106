package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// unreachableError says that no connection came about, so that nothing was
// done at the other end.
type unreachableError struct {
	server serverURL
	cause  string // in the system's words
}

// Error names the flag, too: the usual cause is a server that is somewhere else.
func (e *unreachableError) Error() string {
	return fmt.Sprintf("cannot reach %s: %s; is Belfry running there? --server URL or BELFRY_SERVER says where else", e.server, e.cause)
}

// reachError turns the error of a client library into one for people. It is an
// [unreachableError] when the library could not connect, and otherwise the error
// without what repeats the URL.
func reachError(server serverURL, err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // the URL is named already
	}
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Op != "dial" {
		return err
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return &unreachableError{server, number.Error()}
	}
	return &unreachableError{server, dial.Err.Error()}
}

// answerError is how a server says no: an HTTP status and, when it is a Belfry,
// its message.
type answerError struct {
	server  serverURL
	status  int
	message string // empty: not the answer of a Belfry
}

// newAnswerError reads the body of an answer that is not the one hoped for. It may
// come from a proxy or another program, and it may be cut off.
func newAnswerError(server serverURL, status int, body []byte) *answerError {
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // no JSON: no message
	return &answerError{server, status, answer.Error.Message}
}

// Error shows the message of a Belfry, or says that the answer is none of a Belfry.
func (e *answerError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("%s answers %d %s, and not as Belfry does; --server URL or BELFRY_SERVER says where else to ask",
			e.server, e.status, http.StatusText(e.status))
	}
	return fmt.Sprintf("%s answers: %s", e.server, printable(e.message))
}
