package api

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/centrifuge"
	"belfry/web/fault"
	"belfry/web/session"
)

// errNotAvailable is for a call that there is nothing behind.
var errNotAvailable = fault.New(fault.NotAvailable, "not available")

// Options are what an API is made of. None but Version may be left out.
type Options struct {
	// Hub is where messages are published, and what the other nodes are asked by.
	Hub *hub.Hub
	// Guard says which channels the backend may use, and how.
	Guard access.Guard
	// Key is what every request has to show.
	Key *access.Key
	// Sessions are those of this node, which a backend subscribes and disconnects.
	Sessions   *session.Registry
	Centrifuge *centrifuge.Server // reads histories and presences, and answers RPC
	Errors     fault.Answerer
	Logger     *slog.Logger
	MaxBody    int64  // bytes of a request, inclusive
	Version    string // what the server says it is
	Name       string // of this node, beside its ID
}

// API answers the backend. Its methods are safe for several goroutines. No call
// takes longer than its wait in the table, and none goes on when the client has gone.
type API struct {
	Options
	started time.Time
	calls   map[string]call
}

// New makes an API, and answers what other nodes ask of it, so that it is made
// before the hub runs.
func New(o Options) *API {
	a := &API{Options: o, started: time.Now()}
	a.calls = a.table()
	a.answerNodes()
	return a
}

// maxRead is about how many bytes of a history or a presence one call answers with.
const maxRead = 8 << 20

// wait bounds what a call asks of the broker, so that a publisher hears within two
// seconds that it is away.
const wait = 1800 * time.Millisecond

// call is one line of the table.
type call struct {
	wait time.Duration // how long it may take
	// do reads the body, carries the call out, and returns the result, of which
	// JSON is made. Its context ends when its time is over; its errors are those
	// of [fault.From]. It does not keep the body.
	do func(ctx context.Context, body []byte) (any, error)
}

// table is the server API, by the name in the path.
func (a *API) table() map[string]call {
	calls := map[string]call{
		"publish":        {wait, reading(a.publish)},
		"broadcast":      {wait, reading(a.broadcast)},
		"subscribe":      {wait, reading(a.subscribe)},
		"unsubscribe":    {wait, reading(a.unsubscribe)},
		"disconnect":     {wait, reading(a.disconnect)},
		"refresh":        {wait, func(context.Context, []byte) (any, error) { return nil, errNotAvailable }},
		"presence":       {wait, reading(a.presence)},
		"presence_stats": {wait, reading(a.presenceStats)},
		"history":        {wait, reading(a.history)},
		"history_remove": {wait, reading(a.removeHistory)},
		"channels":       {wait, reading(a.channels)},
		"info":           {wait, reading(a.info)},
		"rpc":            {centrifuge.RPCWait, reading(a.rpc)},
	}
	calls["batch"] = a.batch(maps.Clone(calls)) // a batch in a batch is not answered
	return calls
}

// Routes adds the calls to a router, each as POST /api/NAME.
func (a *API) Routes(r chi.Router) {
	for name, c := range a.calls {
		r.Post("/api/"+name, a.Errors.Handle(func(w http.ResponseWriter, r *http.Request) error { return a.serve(w, r, c) }))
	}
}

// reading makes a call of a function that takes the decoded body, in which only
// fields are accepted that Q has.
func reading[Q any](f func(context.Context, *Q) (any, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, body []byte) (any, error) {
		q := new(Q)
		if err := fault.Decode(body, q); err != nil {
			return nil, err
		}
		return f(ctx, q)
	}
}

// run carries the call out within its time.
func (c call) run(ctx context.Context, body []byte) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	return c.do(ctx, body)
}

// serve answers a request: it checks the key and the size of the body, and wraps
// the result as {"result": …}.
func (a *API) serve(w http.ResponseWriter, r *http.Request, c call) error {
	if _, err := a.Key.Check(r); err != nil {
		return err
	}
	body, err := fault.ReadBody(w, r, a.MaxBody, "limits.body, BELFRY_LIMITS_BODY")
	if err != nil {
		return err
	}
	result, err := c.run(r.Context(), body)
	if err != nil {
		return err
	}
	fault.WriteJSON(w, http.StatusOK, map[string]any{"result": result})
	return nil
}

// may asks whether the backend may do something on a channel, and returns the
// channel's rule. Its errors are the guard's: for a name that is none, a channel
// that no rule matches, and one that the rule keeps from the backend.
func (a *API) may(ctx context.Context, what access.Action, channel string) (*hub.Rule, error) {
	permit, err := a.Guard.Allow(ctx, access.Request{Who: access.Backend, Action: what, Channel: channel})
	return permit.Rule, err
}
