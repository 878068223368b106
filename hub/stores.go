package hub

import (
	"context"
	"fmt"
)

// HistoryStore keeps what channels remember: what the broker has published with a
// position. The errors are those of [Broker].Publish.
type HistoryStore interface {
	// History reads a channel's history, oldest message first.
	History(ctx context.Context, channel string, o HistoryOptions) (HistoryResult, error)
	// RemoveHistory forgets a channel's messages. Positions go on counting.
	RemoveHistory(ctx context.Context, channel string) error
	// Positions returns the position of each channel: where its history ends.
	// Those that it cannot tell are zero, and the error says why. Seen has for
	// each channel the last position that the node has seen, or zero: a history
	// that ends before that has lost its end, and so begins a new epoch.
	Positions(ctx context.Context, channels []string, seen []Position) ([]Position, error)
}

// PresenceStore knows which clients are on which channels, over all nodes. A
// client whose node has died without a word is forgotten within the store's
// time to live, and the others are told that it has left. The errors are those of
// [Broker].Publish.
type PresenceStore interface {
	// Join adds a client of this node to a channel, and brings a message of
	// [KindJoin], which excludes the client, to the channel's handlers. One that
	// is there already is there with what this Join says, and nobody is told. It
	// takes at most two seconds. The store remembers the client also when it
	// returns an error, and adds it when the broker comes back.
	Join(ctx context.Context, channel string, c ClientInfo) error
	// Leave takes back one Join. When all are taken back the client is gone, and
	// a message of [KindLeave], which excludes it, goes to the channel's handlers.
	// It does not block.
	Leave(channel, client string)
	// Presence returns who is on a channel, in no order and in about so many bytes,
	// as [NewPresence] does; more is not read. Zero: no bound. The error may be
	// [ErrPresenceSize], too.
	Presence(ctx context.Context, channel string, bytes int) (Presence, error)
	// PresenceStats counts them, for less than Presence costs.
	PresenceStats(ctx context.Context, channel string) (PresenceStats, error)
}

// PresenceStats count who is on a channel.
type PresenceStats struct {
	Clients int // sessions
	Users   int // distinct users; all who are anonymous count as one
}

// Signaler carries data between nodes, for calls ([Hub.Call]).
type Signaler interface {
	// Signal sends data to one node, or to every node, this one included, when
	// node is empty. It returns how many nodes it reached, which is 0 for a node
	// that does not exist, or an error wrapping ErrUnavailable. What it brings is
	// at most 1 MiB.
	Signal(ctx context.Context, node string, data []byte) (reached int, err error)
}

// noHistory is the history of channels of which none has one.
type noHistory struct{}

func (noHistory) RemoveHistory(context.Context, string) error { return nil }

func (noHistory) History(context.Context, string, HistoryOptions) (HistoryResult, error) {
	return HistoryResult{}, nil
}

func (noHistory) Positions(_ context.Context, channels []string, _ []Position) ([]Position, error) {
	return make([]Position, len(channels)), nil
}

// noPresence is that of channels of which none has any.
type noPresence struct{}

func (noPresence) Join(context.Context, string, ClientInfo) error { return nil }
func (noPresence) Leave(string, string)                           {}
func (noPresence) Presence(context.Context, string, int) (Presence, error) {
	return Presence{}, nil
}
func (noPresence) PresenceStats(context.Context, string) (PresenceStats, error) {
	return PresenceStats{}, nil
}

// noSignals refuses every call.
type noSignals struct{}

func (noSignals) Signal(context.Context, string, []byte) (int, error) {
	return 0, fmt.Errorf("%w: this broker carries no calls between nodes", ErrUnavailable)
}
