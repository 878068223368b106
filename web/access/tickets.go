package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"belfry/hub"
	"belfry/web/fault"
)

const (
	// ticketAge is how long a ticket is good.
	ticketAge = 30 * time.Second
	// maxTickets is how many bytes tickets that were not used have at a node: each that
	// of its token, and what it costs beside.
	maxTickets, ticketSize = 16 << 20, 256
	// maxTicket is the longest ticket in bytes.
	maxTicket = 200
	// callTicket has a node take back a ticket that it gave.
	callTicket = "ticket.redeem"
)

var (
	errTicket      = fault.New(fault.BadToken, "invalid ticket: it is good once, for 30 seconds").With("WWW-Authenticate", `Bearer error="invalid_token", error_description="invalid ticket"`)
	errManyTickets = fault.New(fault.TooMany, "too many tickets wait to be used")
	errTicketAway  = fault.New(fault.Unavailable, "the node that gave this ticket does not answer: get another")
	errNoTokens    = fault.New(fault.NotAvailable, "not available: this server has no keys for tokens (tokens.keys)")
	errShowToken   = fault.New(fault.NoToken, "a token is needed: send the header Authorization: Bearer TOKEN").With("WWW-Authenticate", "Bearer")
)

// Tickets are given for tokens, so that these do not stand in URLs. Each is good once,
// at any node: the one that gave it has the token. Their methods are safe for several
// goroutines.
type Tickets struct {
	hub *hub.Hub

	mu    sync.Mutex // guards what follows
	given map[string]ticket
	order []string // of tickets as they were given; some may be used
	bytes int
}

type ticket struct {
	token string
	until time.Time
}

// NewTickets makes the tickets of a node, and answers what other nodes ask of it, so
// that it is made before the hub runs.
func NewTickets(h *hub.Hub) *Tickets {
	t := &Tickets{hub: h, given: make(map[string]ticket)}
	h.HandleCall(callTicket, func(_ context.Context, secret []byte) ([]byte, error) { return []byte(t.take(string(secret))), nil })
	return t
}

// give returns a ticket for a token.
func (t *Tickets) give(text string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	if t.bytes+len(text)+ticketSize > maxTickets {
		return "", errManyTickets
	}
	secret := rand.Text()
	t.given[secret] = ticket{text, time.Now().Add(ticketAge)}
	t.order = append(t.order, secret)
	t.bytes += len(text) + ticketSize
	return t.hub.Node() + "." + secret, nil
}

// forget forgets tickets that are too old. It runs under the lock.
func (t *Tickets) forget() {
	now := time.Now()
	for len(t.order) > 0 {
		given, ok := t.given[t.order[0]]
		if ok && now.Before(given.until) {
			return
		}
		t.remove(t.order[0])
		t.order = t.order[1:]
	}
}

// remove runs under the lock, and is harmless for a ticket that is not there.
func (t *Tickets) remove(secret string) {
	if given, ok := t.given[secret]; ok {
		t.bytes -= len(given.token) + ticketSize
		delete(t.given, secret)
	}
}

// take returns the token of a ticket of this node, once; empty: there is none.
func (t *Tickets) take(secret string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	text := t.given[secret].token
	t.remove(secret)
	return text
}

// redeem returns the token of a ticket, once, of whatever node.
func (t *Tickets) redeem(ctx context.Context, text string) (string, error) {
	node, secret, ok := strings.Cut(text, ".")
	if !ok || len(text) > maxTicket {
		return "", fmt.Errorf("it is no ticket: %w", errTicket)
	}
	found := ""
	if node == t.hub.Node() {
		found = t.take(secret)
	} else {
		answer, err := t.hub.CallWaiting(ctx, node, callTicket, []byte(secret))
		switch {
		case errors.Is(err, hub.ErrNoNode):
			return "", fmt.Errorf("the node that gave it is no more: %w", errTicket)
		case err != nil:
			return "", fmt.Errorf("%w: %w", errTicketAway, err)
		}
		found = string(answer)
	}
	if found == "" {
		return "", fmt.Errorf("it was used, is too old, or never was given: %w", errTicket)
	}
	return found, nil
}

// ServeTicket answers POST /ticket of a page that may ask: whoever shows a good token
// gets a ticket for it.
func (g *Tokens) ServeTicket(w http.ResponseWriter, r *http.Request) error {
	h := HelloOf(r)
	h.URL = nil // a ticket is not good for another
	text, err := g.shown(r.Context(), h)
	if err != nil {
		return err
	}
	if text == "" {
		return errShowToken
	}
	if _, err := g.Connect(r.Context(), Hello{Token: text}); err != nil {
		return err
	}
	given, err := g.tickets.give(text)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	fault.WriteJSON(w, http.StatusOK, struct {
		Ticket string `json:"ticket"`
		TTL    int    `json:"ttl"` // seconds
	}{given, int(ticketAge / time.Second)})
	return nil
}

// NoTickets answers POST /ticket where there are no tokens.
func NoTickets(http.ResponseWriter, *http.Request) error { return errNoTokens }
