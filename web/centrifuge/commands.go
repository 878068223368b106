package centrifuge

import (
	"cmp"
	"encoding/json"
	"time"

	"belfry/hub"
)

// command is what a client of the Centrifuge protocol sends, in JSON: an ID and
// one method (centrifugal/protocol, definitions/client.proto). Fields that are
// not known are ignored, as its clients expect.
type command struct {
	ID            uint32            `json:"id"`
	Connect       *connectRequest   `json:"connect"`
	Subscribe     *subscribeRequest `json:"subscribe"`
	Unsubscribe   *ChannelRequest   `json:"unsubscribe"`
	Publish       *pubRequest       `json:"publish"`
	Presence      *ChannelRequest   `json:"presence"`
	PresenceStats *ChannelRequest   `json:"presence_stats"`
	History       *HistoryRequest   `json:"history"`
	Ping          *struct{}         `json:"ping"`
	Send          *struct{}         `json:"send"`
	RPC           *rpcRequest       `json:"rpc"`
	Refresh       *tokenRequest     `json:"refresh"`
	SubRefresh    *tokenRequest     `json:"sub_refresh"`
}

// asksMuch reports whether the reply may be a large one.
func (c *command) asksMuch() bool {
	return c.Presence != nil || c.RPC != nil || c.History != nil && c.History.Limit != 0 || c.Subscribe != nil && c.Subscribe.Recover
}

// methods counts the methods of a command, of which there is to be one.
func (c *command) methods() (n int) {
	for _, there := range []bool{
		c.Connect != nil, c.Subscribe != nil, c.Unsubscribe != nil, c.Publish != nil, c.Presence != nil,
		c.PresenceStats != nil, c.History != nil, c.Ping != nil, c.Send != nil, c.RPC != nil,
		c.Refresh != nil, c.SubRefresh != nil,
	} {
		if there {
			n++
		}
	}
	return n
}

// connectRequest is that of the first command. Whatever else a client says of itself
// there is ignored.
type connectRequest struct {
	Token string                      `json:"token"`
	Subs  map[string]subscribeRequest `json:"subs"` // positions of server-side subscriptions
}

// anyToken is a token that the client shows, of itself or of a server-side
// subscription, or empty.
func (r *connectRequest) anyToken() string {
	token := r.Token
	for _, sub := range r.Subs {
		token = cmp.Or(token, sub.Token)
	}
	return token
}

// tokenRequest shows another token, for the connection or for a channel.
type tokenRequest struct {
	Channel string `json:"channel"`
	Token   string `json:"token"`
}

// expiry is when a token is over; nothing is said of one that never is.
type expiry struct {
	Expires bool  `json:"expires,omitempty"`
	TTL     int64 `json:"ttl,omitempty"` // seconds, from 1
}

// newExpiry words a time; zero: never.
func newExpiry(until time.Time) expiry {
	if until.IsZero() {
		return expiry{}
	}
	return expiry{true, max(1, int64(time.Until(until).Round(time.Second)/time.Second))}
}

// refreshResult answers both.
type refreshResult struct {
	Client  string `json:"client,omitempty"`
	Version string `json:"version,omitempty"`
	expiry
}

// ChannelRequest is one of which the channel says all.
type ChannelRequest struct {
	Channel string `json:"channel"`
}

// subscribeRequest is that of a subscribe command, and of each server-side
// subscription that is to be recovered, for which the channel stands elsewhere.
type subscribeRequest struct {
	Channel   string          `json:"channel"`
	Token     string          `json:"token"`
	Recover   bool            `json:"recover"` // from the position that follows; no epoch: any
	Epoch     string          `json:"epoch"`
	Offset    uint64          `json:"offset"`
	Data      json.RawMessage `json:"data"`       // what the client says of itself
	JoinLeave bool            `json:"join_leave"` // pushes of who joins and leaves, where there is presence
	Flag      int             `json:"flag"`       // bits; see flagRefuse
}

// since is the position to recover from, or nil.
func (r *subscribeRequest) since() *hub.Position {
	if !r.Recover {
		return nil
	}
	return &hub.Position{Epoch: r.Epoch, Offset: r.Offset}
}

// flagRefuse asks for an error instead of a subscription that begins anew when
// the position cannot be recovered.
const flagRefuse = 2

// HistoryRequest is that of the client protocol and of the HTTP API alike.
type HistoryRequest struct {
	Channel string `json:"channel"`
	// Limit is how many messages to bring: up to 1,000, or -1 for as many. Zero
	// asks for the position only.
	Limit int `json:"limit"`
	// Since is where to begin: behind it, or before it in reverse. Nil: at the
	// begin, or at the end in reverse.
	Since   *Position `json:"since"`
	Reverse bool      `json:"reverse"` // the newest first
}

// Position is one in the history of a channel: offsets count messages from 1 in each
// epoch.
type Position struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

// HistoryResult is what a history has, and where the channel is now. There may be
// fewer publications than were asked for: reading goes on from the last of them.
type HistoryResult struct {
	Publications []Publication `json:"publications"`
	Epoch        string        `json:"epoch"`
	Offset       uint64        `json:"offset"`
}

// Publication is a message as the protocol says it outside of a push.
type Publication struct {
	Data   json.RawMessage   `json:"data"`
	Info   *ClientInfo       `json:"info,omitempty"`
	Offset uint64            `json:"offset,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
	Time   int64             `json:"time,omitempty"` // Unix milliseconds
}

// pubRequest is that of a publish command. Data is any JSON.
type pubRequest struct {
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

// reply answers one command: a result under the method's name, or an error.
type reply struct {
	ID            uint32               `json:"id"`
	Error         *replyError          `json:"error,omitempty"`
	Connect       *connectResult       `json:"connect,omitempty"`
	Subscribe     *subscribeResult     `json:"subscribe,omitempty"`
	Unsubscribe   *struct{}            `json:"unsubscribe,omitempty"`
	Publish       *struct{}            `json:"publish,omitempty"`
	Presence      *PresenceResult      `json:"presence,omitempty"`
	PresenceStats *PresenceStatsResult `json:"presence_stats,omitempty"`
	History       *HistoryResult       `json:"history,omitempty"`
	Ping          *struct{}            `json:"ping,omitempty"`
	RPC           *RPCResult           `json:"rpc,omitempty"`
	Refresh       *refreshResult       `json:"refresh,omitempty"`
	SubRefresh    *refreshResult       `json:"sub_refresh,omitempty"`
}

// isLarge reports whether the reply may be a large one.
func (r *reply) isLarge() bool {
	return r.History != nil || r.Presence != nil || r.Connect != nil && len(r.Connect.Subs) > 0 || r.Subscribe != nil && len(r.Subscribe.Publications) > 0
}

// connectResult tells a client who it is, and how often it is pinged.
type connectResult struct {
	Client  string `json:"client"`
	Version string `json:"version,omitempty"`
	// User is the ID of the client's, if it has one. It is no field of the protocol.
	User string `json:"user,omitempty"`
	expiry
	// Subs are the server-side subscriptions.
	Subs    map[string]*subscribeResult `json:"subs,omitempty"`
	Ping    int                         `json:"ping,omitempty"`    // seconds
	Pong    bool                        `json:"pong,omitempty"`    // pings are to be answered
	Session string                      `json:"session,omitempty"` // a secret; over HTTP only
	Node    string                      `json:"node,omitempty"`
	// MaxMessage is how many bytes a message of the client may have. It is no field of
	// the protocol: belfry.js does not send what is larger.
	MaxMessage int64 `json:"max_message,omitempty"`
	Time       int64 `json:"time,omitempty"` // Unix milliseconds
}

// subscribeResult is where a subscription begins, and when it ends. The rest is empty
// but for WasRecovering on a channel without history.
type subscribeResult struct {
	expiry
	Recoverable   bool          `json:"recoverable,omitempty"`
	Epoch         string        `json:"epoch,omitempty"`
	Publications  []Publication `json:"publications,omitempty"`
	Recovered     bool          `json:"recovered,omitempty"`
	Offset        uint64        `json:"offset,omitempty"`
	Positioned    bool          `json:"positioned,omitempty"`
	WasRecovering bool          `json:"was_recovering,omitempty"`
	// Data is what a token has for the client, of a server-side subscription.
	Data json.RawMessage `json:"data,omitempty"`
}
