package hub

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed" // for the script
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// metaTTL is how long Redis remembers a channel's position after its last
// publish, at least.
const metaTTL = 7 * 24 * time.Hour

//go:embed position.lua
var positionSource string

var positionScript = redis.NewScript(positionSource)

// newEpoch names a new run of numbering.
func newEpoch() string { return rand.Text()[:8] }

func (b *RedisBroker) streamKey(channel string) string   { return b.topic(channel) + ":stream" }
func (b *RedisBroker) positionKey(channel string) string { return b.topic(channel) + ":position" }

// Positions implements [Broker], in one round trip.
func (b *RedisBroker) Positions(ctx context.Context, channels []string) ([]Position, error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	replies := make([]*redis.Cmd, len(channels))
	err := b.scripted(ctx, positionScript, func(p redis.Pipeliner) {
		for i, channel := range channels {
			replies[i] = b.askPosition(ctx, p, channel)
		}
	})
	if err != nil {
		return nil, unavailable("read positions", err)
	}
	positions := make([]Position, len(channels))
	for i, reply := range replies {
		if positions[i], err = parsePosition(reply); err != nil {
			return nil, unavailable("read position of "+channels[i], err)
		}
	}
	return positions, nil
}

func (b *RedisBroker) askPosition(ctx context.Context, p redis.Pipeliner, channel string) *redis.Cmd {
	keys := []string{b.positionKey(channel), b.streamKey(channel)}
	return p.EvalSha(ctx, positionScript.Hash(), keys, metaTTL.Milliseconds(), newEpoch())
}

// scripted runs commands that use a script, in one round trip, and once more
// after loading the script when Redis does not know it, as after a restart.
func (b *RedisBroker) scripted(ctx context.Context, script *redis.Script, commands func(redis.Pipeliner)) error {
	for try := 0; ; try++ {
		_, err := b.client.Pipelined(ctx, func(p redis.Pipeliner) error { commands(p); return nil })
		if err == nil || try > 0 || !strings.HasPrefix(err.Error(), "NOSCRIPT") {
			return err
		}
		if err := script.Load(ctx, b.client).Err(); err != nil {
			return err
		}
	}
}

// parsePosition reads a reply of offset and epoch.
func parsePosition(reply *redis.Cmd) (Position, error) {
	parts, err := reply.StringSlice()
	if err != nil || len(parts) != 2 {
		return Position{}, fmt.Errorf("position: %w", err)
	}
	offset, err := strconv.ParseUint(parts[0], 10, 64)
	return Position{Epoch: parts[1], Offset: offset}, err
}

// History implements [Broker]. The position and the messages are read in one
// transaction.
func (b *RedisBroker) History(ctx context.Context, channel string, o HistoryOptions) (HistoryResult, error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	var position *redis.Cmd
	var entries *redis.XMessageSliceCmd
	err := b.scripted(ctx, positionScript, func(p redis.Pipeliner) {
		position = b.askPosition(ctx, p, channel)
		if o.Limit != 0 {
			entries = b.askEntries(ctx, p, channel, o)
		}
	})
	if err != nil {
		return HistoryResult{}, unavailable("read history of "+channel, err)
	}
	var r HistoryResult
	if r.Position, err = parsePosition(position); err != nil {
		return r, unavailable("read history of "+channel, err)
	}
	if entries != nil {
		r.Messages, err = b.parseEntries(channel, entries.Val(), r.Position, o)
	}
	return r, err
}

// askEntries asks for the entries of a stream. The offset is the first part of
// their IDs.
func (b *RedisBroker) askEntries(ctx context.Context, p redis.Pipeliner, channel string, o HistoryOptions) *redis.XMessageSliceCmd {
	key, first, last := b.streamKey(channel), "-", "+"
	switch {
	case o.Since != nil && o.Reverse:
		last = "(" + strconv.FormatUint(o.Since.Offset, 10) + "-0"
	case o.Since != nil:
		first = "(" + strconv.FormatUint(o.Since.Offset, 10) + "-0"
	}
	switch {
	case o.Reverse && o.Limit > 0:
		return p.XRevRangeN(ctx, key, last, first, int64(o.Limit))
	case o.Reverse:
		return p.XRevRange(ctx, key, last, first)
	case o.Limit > 0:
		return p.XRangeN(ctx, key, first, last, int64(o.Limit))
	}
	return p.XRange(ctx, key, first, last)
}

// parseEntries reads the entries of a stream. What is newer than the position
// was published meanwhile and is left for the next time; what is older than the
// history's age is left out.
func (b *RedisBroker) parseEntries(channel string, entries []redis.XMessage, p Position, o HistoryOptions) ([]*Message, error) {
	oldest := int64(0)
	if o.TTL > 0 {
		oldest = time.Now().Add(-o.TTL).UnixMilli()
	}
	var messages []*Message
	for _, e := range entries {
		m, err := parseEntry(e, p.Epoch)
		if err != nil {
			b.logger.Warn("skipped what is no message of ours", "channel", channel, "err", err)
			continue
		}
		if m.Offset <= p.Offset && m.Time >= oldest {
			messages = append(messages, m)
		}
	}
	return messages, nil
}

func parseEntry(e redis.XMessage, epoch string) (*Message, error) {
	envelope, _ := e.Values["m"].(string)
	m, err := parseEnvelope([]byte(envelope))
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(e.ID, "-")
	m.Epoch = epoch
	m.Offset, err = strconv.ParseUint(id, 10, 64)
	return m, err
}

// RemoveHistory implements [Broker].
func (b *RedisBroker) RemoveHistory(ctx context.Context, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	return unavailable("remove history of "+channel, b.client.Del(ctx, b.streamKey(channel)).Err())
}

// parsePublished reads what the script sends to the nodes: offset and epoch, a
// line end, and the envelope.
func parsePublished(payload []byte) (*Message, error) {
	head, envelope, ok := bytes.Cut(payload, []byte("\n"))
	offset, epoch, two := bytes.Cut(head, []byte(" "))
	if !ok || !two {
		return nil, fmt.Errorf("%w: offset and epoch are expected first", errEnvelope)
	}
	m, err := parseEnvelope(envelope)
	if err != nil {
		return nil, err
	}
	m.Epoch = string(epoch)
	if m.Offset, err = strconv.ParseUint(string(offset), 10, 64); err != nil {
		return nil, fmt.Errorf("%w: offset: %w", errEnvelope, err)
	}
	return m, nil
}
