package web

import (
	"encoding/json"

	"belfry/hub"
	"belfry/web/fault"
)

// command is what a client of the Centrifuge protocol sends, in JSON: an ID and
// one method (centrifugal/protocol, definitions/client.proto). Fields that are
// not known are ignored, as its clients expect.
type command struct {
	ID            uint32            `json:"id"`
	Connect       *connectRequest   `json:"connect"`
	Subscribe     *subscribeRequest `json:"subscribe"`
	Unsubscribe   *channelRequest   `json:"unsubscribe"`
	Publish       *pubRequest       `json:"publish"`
	Presence      *channelRequest   `json:"presence"`
	PresenceStats *channelRequest   `json:"presence_stats"`
	History       *historyRequest   `json:"history"`
	Ping          *struct{}         `json:"ping"`
	Send          *struct{}         `json:"send"`
	RPC           *rpcRequest       `json:"rpc"`
	Refresh       *struct{}         `json:"refresh"`
	SubRefresh    *channelRequest   `json:"sub_refresh"`
}

type connectRequest struct {
	Subs map[string]subscribeRequest `json:"subs"` // positions of server-side subscriptions
}

type channelRequest struct {
	Channel string `json:"channel"`
}

type subscribeRequest struct {
	Channel   string          `json:"channel"`
	Recover   bool            `json:"recover"`
	Epoch     string          `json:"epoch"`
	Offset    uint64          `json:"offset"`
	Data      json.RawMessage `json:"data"`
	JoinLeave bool            `json:"join_leave"`
	Flag      int             `json:"flag"`
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

// historyRequest is that of the client protocol and of the HTTP API alike.
type historyRequest struct {
	Channel string    `json:"channel"`
	Limit   int       `json:"limit"`
	Since   *position `json:"since"`
	Reverse bool      `json:"reverse"`
}

type position struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

type historyResult struct {
	Publications []publicationResult `json:"publications"`
	Epoch        string              `json:"epoch"`
	Offset       uint64              `json:"offset"`
}

// publicationResult is a message as the protocol says it outside of a push.
type publicationResult struct {
	Data   json.RawMessage   `json:"data"`
	Info   *clientInfo       `json:"info,omitempty"`
	Offset uint64            `json:"offset,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
	Time   int64             `json:"time,omitempty"` // Unix milliseconds
}

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
	Presence      *presenceResult      `json:"presence,omitempty"`
	PresenceStats *presenceStatsResult `json:"presence_stats,omitempty"`
	History       *historyResult       `json:"history,omitempty"`
	Ping          *struct{}            `json:"ping,omitempty"`
	RPC           *rpcResult           `json:"rpc,omitempty"`
}

type connectResult struct {
	Client  string `json:"client"`
	Version string `json:"version,omitempty"`
	// Subs are the server-side subscriptions.
	Subs    map[string]*subscribeResult `json:"subs,omitempty"`
	Ping    int                         `json:"ping,omitempty"` // seconds
	Pong    bool                        `json:"pong,omitempty"`
	Session string                      `json:"session,omitempty"` // a secret; over HTTP only
	Node    string                      `json:"node,omitempty"`
	Time    int64                       `json:"time,omitempty"` // Unix milliseconds
}

type subscribeResult struct {
	Recoverable   bool                `json:"recoverable,omitempty"`
	Epoch         string              `json:"epoch,omitempty"`
	Publications  []publicationResult `json:"publications,omitempty"`
	Recovered     bool                `json:"recovered,omitempty"`
	Offset        uint64              `json:"offset,omitempty"`
	Positioned    bool                `json:"positioned,omitempty"`
	WasRecovering bool                `json:"was_recovering,omitempty"`
}

// replyError is an error in a reply.
type replyError struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary,omitempty"`
}

// errorCodes are those of the Centrifuge protocol (centrifugal/centrifuge,
// errors.go).
var errorCodes = map[fault.Kind]int{
	fault.Internal:          100,
	fault.Unavailable:       100,
	fault.NotServing:        100,
	fault.Unauthorized:      101,
	fault.UnknownChannel:    102,
	fault.Denied:            103,
	fault.UnknownMethod:     104,
	fault.AlreadySubscribed: 105,
	fault.Limit:             106,
	fault.TooLarge:          106,
	fault.BadRequest:        107,
	fault.NotAvailable:      108,
	fault.TooMany:           111,
	fault.Unrecoverable:     112,
}

// newReplyError words an error.
func newReplyError(e *fault.Error) *replyError {
	code := e.Code
	if e.Kind != fault.Application {
		code = errorCodes[e.Kind]
	}
	return &replyError{code, e.Message, e.Temporary}
}
