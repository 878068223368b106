package fault

import (
	"log/slog"
	"net/http"
)

// Kind is what went wrong, as far as a client can act on it.
type Kind uint8

const (
	Internal          Kind = iota // a fault of ours; the log says which
	Unavailable                   // the broker or another node is away or silent
	Unusable                      // the broker refuses, until somebody mends it
	NotServing                    // this node is not ready, or going down
	Unauthorized                  // who asks has not said who it is
	NoToken                       // who asks has shown no token, and needs one
	BadToken                      // the token is not one that is accepted here
	ExpiredToken                  // the token was good for some time, which is over
	OthersToken                   // the token is good, for somebody or something else
	Denied                        // who asks may not do that
	Foreign                       // a page of this origin may not ask
	Misdirected                   // this server does not answer to the name that was asked
	NotFound                      // there is nothing at this path
	WrongMethod                   // the path is answered, but not like this
	UnknownMethod                 // there is no such call or command
	UnknownChannel                // no rule matches the channel
	AlreadySubscribed             // the session is subscribed to the channel
	Limit                         // a limit is reached, which the text names
	TooLarge                      // what was sent is over a limit, which the text names
	BadRequest                    // what was sent makes no sense, in a way that the text names
	Upgrade                       // the endpoint speaks another protocol
	NotAvailable                  // the configuration does not have it
	Ended                         // the session or node that was named is no more
	TooMany                       // too much at once
	Unrecoverable                 // what was missed cannot be had
	Application                   // an error of the site's own, with its own code; the last kind
)

// kinds has what a kind means over HTTP. The code is the one of Centrifugo's
// server API, whose shape the body of every answer has (centrifugal/centrifugo,
// internal/apiproto/api.proto).
var kinds = [...]struct {
	status, code int
	temporary    bool // trying again may help, and Retry-After says when
	log          line
}{
	Internal:          {http.StatusInternalServerError, 100, true, line{slog.LevelError, "request failed"}},
	Unavailable:       {http.StatusServiceUnavailable, 100, true, line{slog.LevelWarn, "request not served"}},
	Unusable:          {http.StatusInternalServerError, 100, false, line{slog.LevelWarn, "request not served"}},
	NotServing:        {http.StatusServiceUnavailable, 100, true, quiet},
	Unauthorized:      {http.StatusUnauthorized, 101, false, quiet},
	NoToken:           {http.StatusUnauthorized, 103, false, quiet},
	BadToken:          {http.StatusUnauthorized, 101, false, quiet},
	ExpiredToken:      {http.StatusUnauthorized, 109, false, quiet},
	OthersToken:       {http.StatusForbidden, 103, false, quiet},
	Denied:            {http.StatusForbidden, 103, false, quiet},
	Foreign:           {http.StatusForbidden, 103, false, line{slog.LevelWarn, "page refused"}},
	Misdirected:       {http.StatusMisdirectedRequest, 103, false, line{slog.LevelWarn, "name refused"}},
	NotFound:          {http.StatusNotFound, 104, false, line{slog.LevelInfo, "nothing at this path"}},
	WrongMethod:       {http.StatusMethodNotAllowed, 104, false, quiet},
	UnknownMethod:     {http.StatusNotFound, 104, false, quiet},
	UnknownChannel:    {http.StatusNotFound, 102, false, quiet},
	AlreadySubscribed: {http.StatusBadRequest, 105, false, quiet},
	Limit:             {http.StatusBadRequest, 106, false, quiet},
	TooLarge:          {http.StatusRequestEntityTooLarge, 106, false, quiet},
	BadRequest:        {http.StatusBadRequest, 107, false, quiet},
	Upgrade:           {http.StatusUpgradeRequired, 107, false, quiet},
	NotAvailable:      {http.StatusBadRequest, 108, false, quiet},
	Ended:             {http.StatusNotFound, 108, false, quiet},
	TooMany:           {http.StatusTooManyRequests, 111, true, quiet},
	Unrecoverable:     {http.StatusRequestedRangeNotSatisfiable, 112, false, quiet},
	Application:       {http.StatusBadRequest, 0, false, quiet},
}

// line is how the log tells of a kind. Each kind has a text of its own, so that many of
// one do not keep another out of the log.
type line struct {
	level slog.Level
	text  string
}

// quiet is for what the client hears whole: nothing is left for the log.
var quiet = line{}

// Status is the HTTP status of a kind.
func (k Kind) Status() int { return kinds[k].status }

// kindOf is the kind that another node means by a status and a code: one that
// is answered alike.
func kindOf(status, code int) Kind {
	for k := range kinds {
		if kinds[k].status == status && kinds[k].code == code {
			return Kind(k)
		}
	}
	return Application
}
