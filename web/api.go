package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

// apiWait bounds what a call asks of the broker, so that a publisher hears
// within two seconds that it is away.
const apiWait = 1800 * time.Millisecond

// apiCall carries out one call: it reads the body and returns the result. Its
// context ends when its time is over.
type apiCall struct {
	wait time.Duration
	do   func(ctx context.Context, body []byte) (any, error)
}

// apiCalls is the table of the server API, by the name in the path. Calls and
// results are those of Centrifugo's (centrifugal/centrifugo,
// internal/apiproto/api.proto).
func (s *Server) apiCalls() map[string]apiCall {
	return map[string]apiCall{
		"publish":        {apiWait, reading(s.publish)},
		"broadcast":      {apiWait, reading(s.broadcast)},
		"subscribe":      {apiWait, reading(s.joinSessions)},
		"unsubscribe":    {apiWait, reading(s.leaveSessions)},
		"disconnect":     {apiWait, reading(s.disconnectSessions)},
		"refresh":        {apiWait, func(context.Context, []byte) (any, error) { return nil, errNotAvailable }},
		"presence":       {apiWait, reading(s.readPresence)},
		"presence_stats": {apiWait, reading(s.countPresence)},
		"history":        {apiWait, reading(s.readHistory)},
		"history_remove": {apiWait, reading(s.removeHistory)},
		"channels":       {apiWait, reading(s.listChannels)},
		"info":           {apiWait, reading(s.listNodes)},
		"rpc":            {rpcWait, reading(s.callRPC)},
	}
}

// reading makes a call of a function that takes the decoded body.
func reading[Q any](f func(context.Context, *Q) (any, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, body []byte) (any, error) {
		q := new(Q)
		if err := decode(body, q); err != nil {
			return nil, err
		}
		return f(ctx, q)
	}
}

func (c apiCall) run(ctx context.Context, body []byte) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	return c.do(ctx, body)
}

// api turns a call into a handler: it checks the key and the size of the body,
// and wraps the result as {"result": …}.
func (s *Server) api(c apiCall) http.HandlerFunc {
	return s.faults.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if _, err := s.key.Check(r); err != nil {
			return err
		}
		body, err := fault.ReadBody(w, r, s.limits.Body, "limits.body, BELFRY_LIMITS_BODY")
		if err != nil {
			return err
		}
		result, err := c.run(r.Context(), body)
		if err != nil {
			return err
		}
		fault.WriteJSON(w, http.StatusOK, map[string]any{"result": result})
		return nil
	})
}

// backendMay asks whether the backend may do something on a channel, and returns
// the channel's rule.
func (s *Server) backendMay(ctx context.Context, what access.Action, channel string) (*hub.Rule, error) {
	permit, err := s.guard.Allow(ctx, access.Request{Who: access.Backend, Action: what, Channel: channel})
	return permit.Rule, err
}

// decode reads a call strictly: one JSON object with known fields only.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return decodeError(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fault.Field("body", "one JSON object is expected, and nothing behind it")
	}
	return nil
}

// decodeError says in which field of a body the fault is.
func decodeError(err error) error {
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return fault.Field(cmp.Or(wrongType.Field, "body"), expected(wrongType.Type)+" is expected")
	case errors.Is(err, io.EOF):
		return fault.Field("body", "a JSON object is expected, and there is nothing")
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return fault.Field(strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`), "is not a field of this call")
	}
	return fault.Field("body", "a JSON object is expected: "+strings.TrimPrefix(err.Error(), "json: "))
}

// expected names in JSON's words what can be read into a Go type.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "a whole number, not below 0,"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "a JSON object"
}
