package api

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/centrifuge"
	"belfry/web/fault"
	"belfry/web/session"
)

// Options are what an API is made of. None but Version may be left out.
type Options struct {
	// Hub is where messages are published, and what the other nodes are asked by.
	Hub *hub.Hub
	// Guard says which channels the backend may use, and how.
	Guard access.Guard
	// Keys are those of which every request has to show one.
	Keys *access.Keys
	// Sessions are those of this node, which a backend subscribes and disconnects.
	Sessions   *session.Registry
	Centrifuge *centrifuge.Server // reads histories and presences, and answers RPC
	// Revoked is what was taken back. Nil: there are no users.
	Revoked *access.Revocations
	Errors  fault.Answerer
	Logger  *slog.Logger
	MaxBody int64  // bytes of a request, inclusive
	Version string // what the server says it is
	Name    string // of this node, beside its ID
}

// API answers the backend. Its methods are safe for several goroutines. No call
// takes longer than its wait in the table, and none goes on when the client has gone.
type API struct {
	Options
	started time.Time
	single  map[string]call // by their names; all but the batch, which is made of them
	batch   call
}

// New makes an API, and answers what other nodes ask of it, so that it is made
// before the hub runs.
func New(o Options) *API {
	a := &API{Options: o, started: time.Now()}
	a.single = a.table()
	a.batch = call{batchWait, true, false, reading(a.carryOut)}
	a.answerNodes()
	return a
}

// maxRead is about how many bytes of a history or a presence one call answers with, and
// all commands of a batch together.
const maxRead = 8 << 20

// wait bounds what a call asks of the broker, so that a publisher hears within two
// seconds that it is away.
const wait = 1800 * time.Millisecond

// call is one line of the table.
type call struct {
	wait  time.Duration // how long it may take
	large bool          // the result may be
	about bool          // it is about channels that it names
	// do reads the body, carries the call out, and returns the result, of which
	// JSON is made: about so many bytes, where there is more to choose from. Its
	// context ends when its time is over; its errors are those of [fault.From]. It
	// does not keep the body.
	do func(ctx context.Context, body []byte, bytes int) (any, error)
}

// table is the server API, by the name in the path.
func (a *API) table() map[string]call {
	back := revoker{a.Revoked}
	return map[string]call{
		"publish":                {wait, false, true, reading(a.publish)},
		"broadcast":              {wait, false, true, reading(a.broadcast)},
		"subscribe":              {wait, false, true, reading(a.subscribe)},
		"unsubscribe":            {wait, false, true, reading(a.unsubscribe)},
		"disconnect":             {wait, false, false, reading(a.disconnect)},
		"refresh":                {wait, false, false, reading(a.refresh)},
		"block_user":             {wait, false, false, reading(back.blockUser)},
		"unblock_user":           {wait, false, false, reading(back.unblockUser)},
		"revoke_token":           {wait, false, false, reading(back.revokeToken)},
		"invalidate_user_tokens": {wait, false, false, reading(back.invalidateTokens)},
		"presence":               {wait, true, true, readingWithin(a.presence)},
		"presence_stats":         {wait, false, true, reading(a.presenceStats)},
		"history":                {wait, true, true, readingWithin(a.history)},
		"history_remove":         {wait, false, true, reading(a.removeHistory)},
		"channels":               {wait, true, true, reading(a.channels)},
		"info":                   {wait, true, false, reading(a.info)},
		"rpc":                    {centrifuge.RPCWait, true, false, reading(a.rpc)},
	}
}

// Calls are the names of all calls but the batch, sorted.
func Calls() []string { return slices.Sorted(maps.Keys((&API{}).table())) }

// Routes adds the calls to a router, each as POST /api/NAME, and POST /api for several
// of them, as older libraries send all.
func (a *API) Routes(r chi.Router) {
	post := func(path, name string, answer func(http.ResponseWriter, *http.Request, []byte) error) {
		r.Post(path, a.Errors.Handle(func(w http.ResponseWriter, r *http.Request) error { return a.serve(w, r, name, answer) }))
	}
	for name, c := range a.single {
		post("/api/"+name, name, c.answer)
	}
	post("/api/batch", "", a.batch.answer)
	post("/api", "", a.answerLines)
}

// reading makes a call of a function that takes the decoded body, in which only
// fields are accepted that Q has.
func reading[Q any](f func(context.Context, *Q) (any, error)) func(context.Context, []byte, int) (any, error) {
	return readingWithin(func(ctx context.Context, q *Q, _ int) (any, error) { return f(ctx, q) })
}

// readingWithin is reading for a function that is told how large its result may be.
func readingWithin[Q any](f func(context.Context, *Q, int) (any, error)) func(context.Context, []byte, int) (any, error) {
	return func(ctx context.Context, body []byte, bytes int) (any, error) {
		q := new(Q)
		if err := fault.Decode(body, q); err != nil {
			return nil, err
		}
		return f(ctx, q, bytes)
	}
}

// run carries the call out within its time.
func (c call) run(ctx context.Context, body []byte, bytes int) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	return c.do(ctx, body, bytes)
}

// answer wraps the result as {"result": …}.
func (c call) answer(w http.ResponseWriter, r *http.Request, body []byte) error {
	result, err := c.run(r.Context(), body, maxRead)
	if err != nil {
		return err
	}
	fault.WriteJSON(w, http.StatusOK, map[string]any{"result": result})
	return nil
}

// whoKey is that of who makes a call in the call's context.
type whoKey struct{}

// who makes the call of a context: somebody whose key was checked.
func who(ctx context.Context) *access.Identity {
	i, _ := ctx.Value(whoKey{}).(*access.Identity)
	return i
}

// mayCall says why who makes the call of a context may not make one of a name; of none
// that there is, it says nothing.
func (a *API) mayCall(ctx context.Context, name string) error {
	c, ok := a.single[name]
	if !ok {
		return nil
	}
	return who(ctx).MayCall(name, c.about)
}

// serve checks the key and the size of the body of a request, before it is answered.
// Without a name the body names the calls, and each is checked when its turn comes.
func (a *API) serve(w http.ResponseWriter, r *http.Request, name string, answer func(http.ResponseWriter, *http.Request, []byte) error) error {
	shown, err := a.Keys.Check(r)
	if err != nil {
		return err
	}
	r = r.WithContext(context.WithValue(r.Context(), whoKey{}, shown))
	if err := a.mayCall(r.Context(), name); err != nil {
		return err
	}
	body, err := fault.ReadBody(w, r, a.MaxBody, "limits.body, BELFRY_LIMITS_BODY")
	if err != nil {
		return err
	}
	return answer(w, r, body)
}

// may asks whether who makes a call may do something on a channel, and returns the
// channel's rule. Its errors are the guard's: for a name that is none, a channel
// that no rule matches, and one that the rule, or the key, keeps from the backend.
func (a *API) may(ctx context.Context, what access.Action, channel string) (*hub.Rule, error) {
	permit, err := a.Guard.Allow(ctx, access.Request{Who: who(ctx), Action: what, Channel: channel})
	return permit.Rule, err
}
