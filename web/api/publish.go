package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

var errFateUnknown = fault.New(fault.Unavailable, "the broker did not answer in time; whether it was published is not known: with an idempotency_key it can be repeated and is delivered once")

const (
	// maxBroadcast is how many channels one broadcast may name.
	maxBroadcast = 1000
	// broadcastAtOnce is how many of them are published to at the same time.
	broadcastAtOnce = 64
	// maxIdempotencyKey is the longest idempotency key in bytes.
	maxIdempotencyKey = 255
	// maxTags bounds a message's tags: their number, and the bytes of each name
	// and value.
	maxTags, maxTag = 32, 255
)

// publication is what publish and broadcast have in common.
type publication struct {
	Data           json.RawMessage   `json:"data"`
	B64Data        string            `json:"b64data"` // JSON in base64, in place of data
	Tags           map[string]string `json:"tags"`
	IdempotencyKey string            `json:"idempotency_key"`
	SkipHistory    bool              `json:"skip_history"`
	Exclude        string            `json:"exclude"`      // ID of a client that does not get the message; our own
	ExcludeUser    string            `json:"exclude_user"` // ID of a user whose clients do not get it; our own
}

// publishRequest is one message for one channel.
type publishRequest struct {
	Channel string `json:"channel"`
	publication
}

// broadcastRequest is one message for 1 to 1,000 channels.
type broadcastRequest struct {
	Channels []string `json:"channels"`
	publication
}

// publishResult is the position of a message. It is empty for a channel without
// history, and for a message that is to skip it.
type publishResult struct {
	Offset uint64 `json:"offset,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
}

// broadcastReply is the fate of one channel of a broadcast.
type broadcastReply struct {
	Result *publishResult `json:"result,omitempty"`
	Error  *fault.Error   `json:"error,omitempty"`
}

// publish answers /api/publish, once the broker has the message. Its errors are those
// of publishTo.
func (a *API) publish(ctx context.Context, req *publishRequest) (any, error) {
	m, err := req.message()
	if err != nil {
		return nil, err
	}
	return a.publishTo(ctx, req.Channel, m, req.options())
}

// broadcast answers /api/broadcast: it publishes to many channels. Channels fail
// one by one; only when the broker is away for all of them does the whole call
// fail, so that the publisher can repeat it.
func (a *API) broadcast(ctx context.Context, req *broadcastRequest) (any, error) {
	if n := len(req.Channels); n == 0 || n > maxBroadcast {
		return nil, fault.Field("channels", "1 to 1000 channel names are accepted")
	}
	m, err := req.message()
	if err != nil {
		return nil, err
	}
	replies := a.publishToAll(ctx, req.Channels, m, req.options())
	if worst := allUnavailable(replies, func(r broadcastReply) *fault.Error { return r.Error }); worst != nil {
		return nil, worst
	}
	return map[string]any{"responses": replies}, nil
}

// publishToAll publishes to channels, up to 64 at the same time, and returns their
// fates in the order of the channels.
func (a *API) publishToAll(ctx context.Context, channels []string, m hub.Message, o hub.PublishOptions) []broadcastReply {
	replies := make([]broadcastReply, len(channels))
	var g errgroup.Group
	g.SetLimit(broadcastAtOnce)
	for i, channel := range channels {
		g.Go(func() error {
			result, err := a.publishTo(ctx, channel, m, o)
			if err != nil {
				replies[i].Error = fault.From(err)
				return nil
			}
			replies[i].Result = result
			return nil
		})
	}
	_ = g.Wait() // the errors are in the replies
	return replies
}

// allUnavailable returns the error of a call that the broker took no part of, or
// nil. The error that leaves most open stands for all.
func allUnavailable[R any](replies []R, errorOf func(R) *fault.Error) (worst *fault.Error) {
	for _, r := range replies {
		switch e := errorOf(r); {
		case e == nil || e.Kind != fault.Unavailable && e.Kind != fault.Unusable:
			return nil
		case worst == nil || e == errFateUnknown:
			worst = e
		}
	}
	return worst
}

// publishTo publishes for the backend to one channel, if its rule lets the backend.
// An error says that nothing was published, unless it wraps errFateUnknown: then the
// message may be delivered all the same. The message is copied, its data is kept.
func (a *API) publishTo(ctx context.Context, channel string, m hub.Message, o hub.PublishOptions) (*publishResult, error) {
	rule, err := a.may(ctx, access.Publish, channel)
	if err != nil {
		return nil, err
	}
	o.Rule = rule
	result, err := a.Hub.Publish(ctx, channel, &m, o)
	switch {
	case errors.Is(err, hub.ErrUnanswered):
		return nil, fmt.Errorf("%w: %w", errFateUnknown, err)
	case err != nil:
		return nil, err
	}
	if a.Logger.Enabled(ctx, slog.LevelDebug) {
		a.Logger.LogAttrs(ctx, slog.LevelDebug, "published", slog.String("key", who(ctx).Proof.Key), slog.String("channel", channel))
	}
	return &publishResult{result.Position.Offset, result.Position.Epoch}, nil
}

// options are what the hub is told beside the message.
func (p *publication) options() hub.PublishOptions {
	return hub.PublishOptions{IdempotencyKey: p.IdempotencyKey, SkipHistory: p.SkipHistory}
}

// message checks a publication and returns it as the hub wants it.
func (p *publication) message() (hub.Message, error) {
	if err := p.check(); err != nil {
		return hub.Message{}, err
	}
	data, err := jsonOrBase64("data", p.Data, p.B64Data)
	if err != nil {
		return hub.Message{}, err
	}
	return hub.Message{Data: data, Tags: p.Tags, Exclude: p.Exclude, ExcludeUser: p.ExcludeUser}, nil
}

// jsonOrBase64 returns JSON in compact form that stands in a field, or in base64
// in another with b64 before its name. It is nil when neither is there.
func jsonOrBase64(field string, data json.RawMessage, b64 string) ([]byte, error) {
	if len(data) > 0 && b64 != "" {
		return nil, fault.Field("b64"+field, "stands in place of "+field+", not beside it")
	}
	text := []byte(data)
	if b64 != "" {
		decoded, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			return nil, fault.Field("b64"+field, "standard base64 with padding is expected")
		}
		text = decoded
	}
	if len(text) == 0 && b64 == "" {
		return nil, nil
	}
	text, err := fault.Compact(text)
	if err != nil {
		return nil, fault.Field(field, err.Error())
	}
	return text, nil
}

// check looks at everything but the data itself.
func (p *publication) check() error {
	switch {
	case len(p.Data) == 0 && p.B64Data == "":
		return fault.Field("data", "is missing: any JSON value is accepted")
	case len(p.IdempotencyKey) > maxIdempotencyKey:
		return fault.Field("idempotency_key", "at most 255 bytes are accepted")
	case len(p.Exclude) > maxID:
		return fault.Field("exclude", "at most 255 bytes are accepted")
	case len(p.ExcludeUser) > maxID:
		return fault.Field("exclude_user", "at most 255 bytes are accepted")
	case len(p.Tags) > maxTags:
		return fault.Field("tags", "at most 32 are accepted")
	}
	for name, value := range p.Tags {
		if len(name) > maxTag || len(value) > maxTag {
			return fault.Field("tags", "names and values of at most 255 bytes are accepted")
		}
	}
	return nil
}
