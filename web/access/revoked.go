package access

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"belfry/hub"
	"belfry/web/fault"
)

const (
	// lookEvery is how often a node looks whether something was taken back, beside
	// being told.
	lookEvery = 500 * time.Millisecond
	// offAge is for how long it is remembered at most that something holds no more.
	offAge = 30 * 24 * time.Hour
	// callRevoked tells nodes to look.
	callRevoked = "access.revoked"
)

// What is taken back, by how the names of notes begin. Their texts are [off] for what
// holds no more and, of tokens by their age, the Unix second from which on those that
// were issued are good.
const (
	blockedUser  = "user:"
	revokedToken = "token:"
	issuedBefore = "before:"

	off = "off"
)

// ErrBlocked refuses whoever shows a token of a user whom the backend has blocked.
var ErrBlocked = fault.New(fault.Denied, "permission denied: the user is blocked")

var errNotLooked = fault.New(fault.Unavailable, "tokens cannot be checked now, try again: what was taken back is not known")

// Revocations are what a backend has taken back: users and tokens. All nodes have the
// same, which the notes of the hub keep; a node that cannot reach these goes on with
// what it knows, and gives its own back when they are lost. Their methods are safe for
// several goroutines.
type Revocations struct {
	hub    *hub.Hub
	logger *slog.Logger
	most   int
	// Taken is called when something was taken back, with the user whom it is about, or
	// nothing when it may be about anybody. It is set before anything else is called.
	Taken func(user string)

	looking chan struct{} // has an element while somebody looks; guards the next two
	mark    string
	failed  time.Time
	looked  atomic.Bool // once, at least

	mu    sync.RWMutex // guards what follows
	notes map[string]hub.Note
}

// NewRevocations makes those of a node, of which there may be so many, and answers
// other nodes, so that it is made before the hub runs.
func NewRevocations(h *hub.Hub, most int, logger *slog.Logger) *Revocations {
	r := &Revocations{hub: h, logger: logger, most: most, Taken: func(string) {}, looking: make(chan struct{}, 1), notes: make(map[string]hub.Note)}
	h.HandleCall(callRevoked, r.hear)
	return r
}

// hear takes what another node tells.
func (r *Revocations) hear(_ context.Context, data []byte) ([]byte, error) {
	var notes []hub.Note
	if err := json.Unmarshal(data, &notes); err != nil {
		return nil, err
	}
	r.take(notes)
	return nil, nil
}

// Run looks for what was taken back on other nodes until the context ends.
func (r *Revocations) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.logger.Debug("what was taken back cannot be read", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// Refusal is why what a token says counts no more, or nil. When what was taken back
// was never read, it is read first. Without revocations, as for who only looks at a
// token, nothing is refused.
func (r *Revocations) Refusal(ctx context.Context, user string, p Proof) error {
	if r == nil {
		return nil
	}
	if !r.looked.Load() {
		if err := r.first(ctx); err != nil {
			return err
		}
	}
	return r.known(user, p)
}

// known is Refusal, by what is known here.
func (r *Revocations) known(user string, p Proof) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.notes) == 0 {
		return nil
	}
	if p.ID != "" && r.text(revokedToken+p.ID) != off {
		return fmt.Errorf("claim jti: the token was revoked: %w", errBadToken)
	}
	if user == "" {
		return nil
	}
	if r.text(blockedUser+user) != off {
		return fmt.Errorf("user %.100q is blocked: %w", user, ErrBlocked)
	}
	if first, err := strconv.ParseInt(r.text(issuedBefore+user), 10, 64); err == nil && (p.Issued.IsZero() || p.Issued.Unix() < first) {
		return fmt.Errorf("claim iat: the tokens of user %.100q that were issued before were taken back: %w", user, errBadToken)
	}
	return nil
}

// text is that of a note that holds, or off. It runs under the lock.
func (r *Revocations) text(name string) string {
	n, ok := r.notes[name]
	if !ok || n.IsOver(time.Now()) {
		return off
	}
	return n.Text
}

// RefusalOf is why an identity counts no more, by what is known here.
func (r *Revocations) RefusalOf(who *Identity) error { return r.known(who.User, who.Proof) }

// first looks for the first time. While that fails others do not wait for it, but once a
// second.
func (r *Revocations) first(ctx context.Context) error {
	select {
	case r.looking <- struct{}{}:
	case <-ctx.Done():
		return errNotLooked
	}
	defer func() { <-r.looking }()
	if r.looked.Load() {
		return nil
	}
	if time.Since(r.failed) < time.Second {
		return errNotLooked
	}
	if err := r.read(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNotLooked, err)
	}
	return nil
}

// look reads what was taken back, if something has changed.
func (r *Revocations) look(ctx context.Context) error {
	select {
	case r.looking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.looking }()
	return r.read(ctx)
}

// read is done by who looks. What the others have lost is given back.
func (r *Revocations) read(ctx context.Context) error {
	notes, mark, err := r.hub.Notes(ctx, r.mark)
	if err != nil {
		r.failed = time.Now()
		return err
	}
	if mark == r.mark {
		return nil
	}
	r.take(notes)
	r.looked.Store(true)
	if err := r.hub.KeepNotes(ctx, r.missing(notes)); err != nil {
		return err
	}
	r.mark = mark
	return nil
}

// take takes notes where they are newer, and has those leave whom they concern.
func (r *Revocations) take(notes []hub.Note) {
	var fresh []string
	r.mu.Lock()
	for _, n := range notes {
		if known, ok := r.notes[n.Name]; !ok || known.Made < n.Made {
			r.notes[n.Name] = n
			fresh = append(fresh, n.Name)
		}
	}
	r.mu.Unlock()
	r.tell(fresh)
}

// missing are the notes that are known here and are not among these.
func (r *Revocations) missing(notes []hub.Note) (lost []hub.Note) {
	there := make(map[string]int64, len(notes))
	for _, n := range notes {
		there[n.Name] = n.Made
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	for name, n := range r.notes {
		if made, ok := there[name]; !ok || made < n.Made {
			lost = append(lost, n)
		}
	}
	return lost
}

// forget forgets what is over. It runs under the lock.
func (r *Revocations) forget() {
	now := time.Now()
	maps.DeleteFunc(r.notes, func(_ string, n hub.Note) bool { return n.IsOver(now) })
}

// tell tells of what was taken back, once of all tokens.
func (r *Revocations) tell(names []string) {
	tokens := false
	for _, name := range names {
		kind, id, _ := strings.Cut(name, ":")
		if kind+":" == revokedToken {
			tokens = true
			continue
		}
		r.Taken(id)
	}
	if tokens {
		r.Taken("")
	}
}

// keep takes something back, or gives it back, on all nodes. With an error it may be so
// all the same, and can be repeated.
func (r *Revocations) keep(ctx context.Context, name, text string, until time.Time) error {
	if !r.looked.Load() {
		if err := r.first(ctx); err != nil {
			return err
		}
	}
	n, err := r.next(name, text, until)
	if err != nil {
		return err
	}
	notes := []hub.Note{n}
	if err := r.hub.KeepNotes(ctx, notes); err != nil {
		return err
	}
	r.take(notes)
	data, err := json.Marshal(notes)
	if err != nil {
		return err
	}
	if _, err := r.hub.CallAll(ctx, callRevoked, data); err != nil { // the others look by themselves
		r.logger.Warn("not every node was told at once of what was taken back", "err", err)
	}
	return nil
}

// next is the note that follows what is known here. What was taken back stays so for as
// long as it was to, whoever asks for less. What is given back is remembered for as long
// as it was to hold, up to offAge, because a node may have it that was away.
func (r *Revocations) next(name, text string, until time.Time) (hub.Note, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.notes[name]
	if len(r.notes) >= r.most {
		r.forget()
	}
	if !ok && len(r.notes) >= r.most {
		return known, &hub.LimitError{Key: "limits.revocations", What: "as much is taken back as may be at a time"}
	}
	n := hub.Note{Name: name, Text: text, Made: max(time.Now().UnixMicro(), known.Made+1), Until: until.Unix()}
	switch {
	case text == off:
		n.Until = min(max(n.Until, known.Until), time.Now().Add(offAge).Unix())
	case ok && known.Text != off && !known.IsOver(time.Now()):
		n.Text, n.Until = later(n.Text, known.Text), max(n.Until, known.Until)
	}
	return n, nil
}

// later is the text of the note by which more is refused, of two of a kind.
func later(a, b string) string {
	if len(a) != len(b) {
		return map[bool]string{true: a, false: b}[len(a) > len(b)]
	}
	return max(a, b)
}

// BlockUser refuses a user until a time, and disconnects its clients.
func (r *Revocations) BlockUser(ctx context.Context, user string, until time.Time) error {
	return r.keep(ctx, blockedUser+user, "", until)
}

// UnblockUser lets a user in again.
func (r *Revocations) UnblockUser(ctx context.Context, user string) error {
	return r.keep(ctx, blockedUser+user, off, time.Now().Add(time.Hour))
}

// RevokeToken refuses the token with an ID, its jti, until a time, and disconnects who
// came with it.
func (r *Revocations) RevokeToken(ctx context.Context, id string, until time.Time) error {
	return r.keep(ctx, revokedToken+id, "", until)
}

// InvalidateTokens refuses the tokens of a user that were issued before a time, to the
// second, or that do not say when, until another time, and disconnects who came with
// them.
func (r *Revocations) InvalidateTokens(ctx context.Context, user string, before, until time.Time) error {
	return r.keep(ctx, issuedBefore+user, strconv.FormatInt(before.Unix(), 10), until)
}
