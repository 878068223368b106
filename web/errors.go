package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"belfry/hub"
)

// apiError is an error as a client hears it: a code of the Centrifuge protocol
// and a public text. The HTTP status that goes with it is decided here too, and
// nowhere else.
type apiError struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary,omitempty"`

	status int
	header [2]string // one more response header
}

func (e *apiError) Error() string { return e.Message }

// Codes of the Centrifuge protocol.
const (
	codeInternal          = 100
	codeUnauthorized      = 101
	codeUnknownChannel    = 102
	codeDenied            = 103
	codeMethodNotFound    = 104
	codeAlreadySubscribed = 105
	codeLimit             = 106
	codeBadRequest        = 107
	codeNotAvailable      = 108
	codeTooManyRequests   = 111
	codeUnrecoverable     = 112
)

var (
	errInternal          = &apiError{Code: codeInternal, Message: "internal server error", Temporary: true, status: 500}
	errUnavailable       = &apiError{Code: codeInternal, Message: "the broker is away; nothing was done, try again", Temporary: true, status: 503, header: [2]string{"Retry-After", "1"}}
	errUnanswered        = &apiError{Code: codeInternal, Message: "the broker did not answer in time; whether it was done is not known, try again", Temporary: true, status: 503, header: [2]string{"Retry-After", "1"}}
	errFateUnknown       = &apiError{Code: codeInternal, Message: "the broker did not answer in time; whether it was published is not known: with an idempotency_key it can be repeated and is delivered once", Temporary: true, status: 503, header: [2]string{"Retry-After", "1"}}
	errNotReady          = &apiError{Code: codeInternal, Message: "not ready: the broker is away", Temporary: true, status: 503, header: [2]string{"Retry-After", "1"}}
	errDraining          = &apiError{Code: codeInternal, Message: "the server is going down", Temporary: true, status: 503, header: [2]string{"Retry-After", "1"}}
	errUnauthorized      = &apiError{Code: codeUnauthorized, Message: "a valid API key is needed: send the header X-API-Key: KEY or Authorization: apikey KEY", status: 401}
	errServerDenied      = &apiError{Code: codeDenied, Message: "the rule of this channel does not let the server publish: add server to its publish list", status: 403}
	errClientDenied      = &apiError{Code: codeDenied, Message: "permission denied", status: 403}
	errMethodNotFound    = &apiError{Code: codeMethodNotFound, Message: "method not found", status: 404}
	errNotFound          = &apiError{Code: codeMethodNotFound, Message: "there is nothing here; / says what there is", status: 404}
	errNoAnswer          = &apiError{Code: codeInternal, Message: "a node has not answered in time, so what is known is not the whole truth; try again", Temporary: true, status: 503, header: [2]string{"Retry-After", "1"}}
	errNodesAway         = &apiError{Code: codeInternal, Message: "the broker is away, and the nodes cannot be asked; nothing was done, try again", Temporary: true, status: 503, header: [2]string{"Retry-After", "1"}}
	errGone              = &apiError{Code: codeInternal, Message: "the client has gone", Temporary: true, status: 500}
	errNoPresence        = &apiError{Code: codeNotAvailable, Message: "not available: the rule of this channel has no presence", status: 400}
	errNoHistory         = &apiError{Code: codeNotAvailable, Message: "not available: the rule of this channel has no history", status: 400}
	errNotAvailable      = &apiError{Code: codeNotAvailable, Message: "not available", status: 400}
	errUnrecoverable     = &apiError{Code: codeUnrecoverable, Message: "unrecoverable position", status: 416}
	errAlreadySubscribed = &apiError{Code: codeAlreadySubscribed, Message: "already subscribed", status: 400}
	errSubscriptionLimit = &apiError{Code: codeLimit, Message: "limit exceeded: limits.subscriptions", status: 400}
	errAnswerLimit       = &apiError{Code: codeLimit, Message: "limit exceeded: one node has more than 700 KiB to say; ask for less, with a narrower pattern", status: 400}
	errPresenceLimit     = &apiError{Code: codeLimit, Message: "limit exceeded: so many are here that the answer is larger than limits.buffer; presence_stats counts them", status: 400}
	errOrigin            = &apiError{Code: codeDenied, Message: "origin not allowed: add it to origins in the configuration (BELFRY_ORIGINS); null, which pages from files send, passes with \"*\" alone", status: 403}
	errNotWebSocket      = &apiError{Code: codeBadRequest, Message: "this is a WebSocket endpoint: send Connection: Upgrade and Upgrade: websocket", status: 426, header: [2]string{"Upgrade", "websocket"}}
	errWebSocketVersion  = &apiError{Code: codeBadRequest, Message: "Sec-WebSocket-Version: 13 is spoken here", status: 426, header: [2]string{"Sec-Websocket-Version", "13"}}
	errVia               = &apiError{Code: codeBadRequest, Message: "via: events, stream, poll or send is expected", status: 400}
	errNoSession         = &apiError{Code: codeNotAvailable, Message: "session: there is none of this name: it has ended, or its node has", status: 404}
	errGot               = &apiError{Code: codeBadRequest, Message: "got: the session has not sent so many lines", status: 400}
	errMessageLimit      = &apiError{Code: codeLimit, Message: "data: it is over limits.message (BELFRY_LIMITS_MESSAGE)", status: 413}
	errNoConnect         = &apiError{Code: codeBadRequest, Message: "connect: a connect command is expected, in the body or in the query as cf_connect", status: 400}
	errNoNode            = &apiError{Code: codeNotAvailable, Message: "node: there is none of this name any more", status: 404}
	errTooManySends      = &apiError{Code: codeTooManyRequests, Message: "too many requests of one session at once: send the next when the one before was answered", Temporary: true, status: 429, header: [2]string{"Retry-After", "1"}}
	errTooManyOpened     = &apiError{Code: codeTooManyRequests, Message: "too many sessions over HTTP were opened whose clients have not come back; try again", Temporary: true, status: 429, header: [2]string{"Retry-After", "1"}}
	errOwnerSilent       = &apiError{Code: codeInternal, Message: "the node of this session has not answered in time, try again", Temporary: true, status: 503, header: [2]string{"Retry-After", "1"}}
	errWebSocketVersions = &apiError{Code: codeBadRequest, Message: "Sec-WebSocket-Version: 13, 8 and 7 are spoken here", status: 426, header: [2]string{"Sec-Websocket-Version", "13, 8, 7"}}
	errWebSocketKey      = &apiError{Code: codeBadRequest, Message: fmt.Sprintf("Sec-WebSocket-Key: one key of 1 to %d bytes is expected", maxKey), status: 400}
	errWebSocketDraft    = &apiError{Code: codeBadRequest, Message: "this draft of WebSocket is not spoken here: send Sec-WebSocket-Version: 13 (RFC 6455); older clients find /echo and /ws/{channel}", status: 400}
	errHybiDraft         = &apiError{Code: codeBadRequest, Message: "Sec-WebSocket-Draft: hybi-01 to hybi-03 are not spoken; accepted: Sec-WebSocket-Version 13, 8 or 7, hixie-76 and hixie-75", status: 400}
	errHixieBody         = &apiError{Code: codeBadRequest, Message: "a handshake of hixie-76 has eight bytes behind its head, one of hixie-75 none, and neither is chunked", status: 400, header: [2]string{"Connection", "close"}}
	errLegacyOff         = &apiError{Code: codeBadRequest, Message: "clients from before RFC 6455 are switched off (legacy.enabled, BELFRY_LEGACY_ENABLED): send Sec-WebSocket-Version: 13", status: 400}
)

// badRequest says which field breaks which rule.
func badRequest(field, rule string) *apiError {
	return &apiError{Code: codeBadRequest, Message: field + ": " + rule, status: 400}
}

// tooLarge names the limit that a body broke.
func tooLarge(limit int64) *apiError {
	return &apiError{Code: codeLimit, status: 413,
		Message: fmt.Sprintf("body: at most %d bytes are accepted (limits.body, BELFRY_LIMITS_BODY)", limit)}
}

// refused gives the broker's reason to take nothing.
func refused(reason string) *apiError {
	e := *errUnavailable
	e.Message = reason + "; nothing was done, try again"
	return &e
}

// bodyTooLarge is for bodies whose limit is fixed.
func bodyTooLarge(limit int64) *apiError {
	return &apiError{Code: codeLimit, status: 413, Message: fmt.Sprintf("body: at most %d bytes are accepted here", limit)}
}

// wrongMethod says what would be answered.
func wrongMethod(r *http.Request, right string) *apiError {
	method, _, _ := strings.Cut(right, " ")
	return &apiError{Code: codeMethodNotFound, status: 405, header: [2]string{"Allow", method},
		Message: r.Method + " is not answered at " + r.URL.Path + " as it was asked; " + right + " is"}
}

// publicError is what the world hears of an error.
func publicError(err error) *apiError {
	var public *apiError
	var rpc *RPCError
	var refusal *hub.RefusedError
	switch {
	case errors.As(err, &public):
		return public
	case errors.As(err, &rpc) && rpc.Code >= 400 && rpc.Code < 2000:
		return &apiError{Code: rpc.Code, Message: rpc.Message, Temporary: rpc.Temporary, status: 400}
	case errors.Is(err, hub.ErrChannelName):
		return badRequest("channel", strings.TrimPrefix(err.Error(), hub.ErrChannelName.Error()+": "))
	case errors.Is(err, hub.ErrUnknownChannel):
		return &apiError{Code: codeUnknownChannel, Message: err.Error(), status: 404}
	case errors.As(err, &refusal):
		return refused(refusal.Reason)
	case errors.Is(err, hub.ErrUnanswered):
		return errUnanswered
	case errors.Is(err, hub.ErrUnavailable):
		return errUnavailable
	}
	return errInternal
}

// answerError writes an error as JSON and logs what the public text leaves out.
func (s *Server) answerError(w http.ResponseWriter, r *http.Request, err error) {
	e := publicError(err)
	switch {
	case e == errOrigin:
		s.logger.Warn("origin not allowed", "origin", originsOf(r), "path", r.URL.Path, "remote", r.RemoteAddr)
	case e == errNotFound:
		s.logger.Info("not found", "path", r.URL.Path, "remote", r.RemoteAddr)
	default:
		s.logHidden(e, r.URL.Path, err)
	}
	if e.header[0] != "" {
		w.Header().Set(e.header[0], e.header[1])
	}
	writeJSON(w, e.status, struct {
		Error *apiError `json:"error"`
	}{e})
}

// logHidden logs an error whose public text does not say what was wrong.
func (s *Server) logHidden(e *apiError, path string, err error) {
	switch {
	case e == errInternal:
		s.logger.Error("request", "path", path, "err", err)
	case e.status == http.StatusServiceUnavailable && e != errDraining && e != errNotReady:
		s.logger.Warn("request", "path", path, "err", err)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of ours that JSON cannot express
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) { s.answerError(w, r, errNotFound) }

func (s *Server) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	s.answerError(w, r, &apiError{Code: codeMethodNotFound, Message: r.Method + " is not answered at " + r.URL.Path, status: 405})
}
