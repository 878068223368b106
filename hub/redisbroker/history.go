package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// metaTTL is how long Redis remembers a channel's position after its last
// publish, at least. Half of it after somebody last asked for it.
const metaTTL = 7 * 24 * time.Hour

// histories reads and forgets what channels remember.
type histories struct{ *client }

// Positions implements [hub.HistoryStore], in one round trip.
func (h *histories) Positions(ctx context.Context, channels []string, seen []hub.Position) ([]hub.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	positions, replies := make([]hub.Position, len(channels)), make([]*redis.Cmd, len(channels))
	fault := h.voucher.believing(ctx, func(b *belief) error {
		return h.scripted(ctx, positionScript, func(p redis.Pipeliner) {
			for i, channel := range channels {
				replies[i] = h.askPosition(ctx, p, b, channel, seen[i])
			}
		})
	})
	if errors.Is(fault, hub.ErrUnavailable) {
		return positions, fmt.Errorf("read positions: %w", fault)
	}
	fault = nil // it is also that of the first reply that has one
	for i, reply := range replies {
		var err error
		if positions[i], _, err = parsePosition(reply); err != nil {
			fault = unavailable("read position of "+channels[i], err)
		}
	}
	return positions, fault
}

// askPosition asks for a channel's position, and names an epoch to begin with when it
// has none. It names the counter of the belief. Seen is what the node has seen, or zero.
func (h *histories) askPosition(ctx context.Context, p redis.Pipeliner, b *belief, channel string, seen hub.Position) *redis.Cmd {
	keys := []string{h.keys.position(channel), h.keys.stream(channel), b.counter, h.keys.begun()}
	return p.EvalSha(ctx, positionScript.Hash(), keys, metaTTL.Milliseconds(), b.newEpoch(), seen.Epoch, seen.Offset)
}

// parsePosition reads a reply of offset, epoch and Redis's time.
func parsePosition(reply *redis.Cmd) (p hub.Position, now time.Time, err error) {
	parts, err := reply.StringSlice()
	if err != nil {
		return hub.Position{}, time.Time{}, err
	}
	if len(parts) != 3 {
		return hub.Position{}, time.Time{}, fmt.Errorf("position script: %d values came, 3 are expected", len(parts))
	}
	offset, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return hub.Position{}, time.Time{}, fmt.Errorf("position script: offset: %w", err)
	}
	if now, err = parseTime(parts[2]); err != nil {
		return hub.Position{}, time.Time{}, err
	}
	return hub.Position{Epoch: parts[1], Offset: offset}, now, nil
}

// parseTime reads a time of Redis's clock: seconds, a point, and microseconds
// without zeros before them.
func parseTime(text string) (time.Time, error) {
	s, us, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(s, 10, 64)
	microseconds, fault := strconv.ParseInt(us, 10, 64)
	if err != nil || fault != nil {
		return time.Time{}, fmt.Errorf("time %q of Redis: seconds, a point and microseconds are expected", text)
	}
	return time.Unix(seconds, microseconds*1000), nil
}

// History implements [hub.HistoryStore]. The position is read before the messages and
// once more behind them, in one round trip: when the numbering began again in
// between, nobody knows to which epoch they belong. A transaction would not do,
// because Redis refuses to queue anything when it is out of memory.
func (h *histories) History(ctx context.Context, channel string, o hub.HistoryOptions) (hub.HistoryResult, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	var before, after *redis.Cmd
	var entries *redis.XMessageSliceCmd
	err := h.voucher.believing(ctx, func(b *belief) error {
		return h.scripted(ctx, positionScript, func(p redis.Pipeliner) {
			before = h.askPosition(ctx, p, b, channel, hub.Position{})
			if o.Limit != 0 {
				entries = h.askEntries(ctx, p, channel, o)
			}
			after = h.askPosition(ctx, p, b, channel, hub.Position{})
		}, entriesScript)
	})
	if errors.Is(err, hub.ErrUnavailable) {
		return hub.HistoryResult{}, fmt.Errorf("read history of %s: %w", channel, err)
	}
	if err != nil && !h.isForeign(channel, err) {
		return hub.HistoryResult{}, unavailable("read history of "+channel, err)
	}
	p, now, err := parsePosition(before)
	if err != nil {
		return hub.HistoryResult{}, unavailable("read history of "+channel, err)
	}
	if last, _, err := parsePosition(after); err != nil || last.Epoch != p.Epoch {
		return hub.HistoryResult{Position: last}, unavailable("read history of "+channel, err)
	}
	r := hub.HistoryResult{Position: p}
	if entries != nil {
		r.Messages = h.parseEntries(channel, entries.Val(), now, p, o)
	}
	return r, nil
}

// isForeign reports whether a channel's stream is no stream: somebody else wrote
// to its key. The next publish mends that; until then there are no messages.
func (h *histories) isForeign(channel string, err error) bool {
	if !strings.HasPrefix(err.Error(), "WRONGTYPE") {
		return false
	}
	h.unreadable("history", channel, err)
	return true
}

// askEntries asks for the entries of a stream. The offset is the first part of
// their IDs, and the second is 0.
func (h *histories) askEntries(ctx context.Context, p redis.Pipeliner, channel string, o hub.HistoryOptions) *redis.XMessageSliceCmd {
	key, first, last := h.keys.stream(channel), "-", "+"
	switch {
	case o.Since != nil && o.Reverse:
		last = strconv.FormatUint(max(o.Since.Offset, 1)-1, 10)
	case o.Since != nil:
		first = "(" + strconv.FormatUint(o.Since.Offset, 10) + "-0"
	}
	limit := int64(o.Limit)
	if limit < 0 {
		limit = math.MaxInt64
	}
	how, from, to := "XRANGE", first, last
	if o.Reverse {
		how, from, to = "XREVRANGE", last, first
	}
	if o.Bytes <= 0 {
		return ask(ctx, p, how, key, from, to, "COUNT", limit)
	}
	return ask(ctx, p, "EVALSHA", entriesScript.Hash(), 1, key, how, from, to, limit, o.Bytes, entryOverhead)
}

// entryOverhead is how many bytes an entry counts beside its message, about.
const entryOverhead = 128

// ask asks for what is answered as XRANGE is.
func ask(ctx context.Context, p redis.Pipeliner, args ...any) *redis.XMessageSliceCmd {
	cmd := redis.NewXMessageSliceCmd(ctx, args...)
	_ = p.Process(ctx, cmd) // a pipeline takes it
	return cmd
}

// parseEntries reads the entries of a stream. What is newer than the position
// was published meanwhile and is left for the next time; what is older than the
// history's age is left out.
func (h *histories) parseEntries(channel string, entries []redis.XMessage, now time.Time, p hub.Position, o hub.HistoryOptions) (messages []*hub.Message) {
	read := time.Now()
	for _, e := range entries {
		m, at, err := parseEntry(e, p.Epoch)
		if err != nil {
			h.unreadable("message", channel, err)
			continue
		}
		m.Accepted = read.Add(at.Sub(now))
		if m.Offset <= p.Offset {
			messages = append(messages, m)
		}
	}
	return o.Within(o.Fresh(messages))
}

// parseEntry returns the message of an entry, and when Redis took it.
func parseEntry(e redis.XMessage, epoch string) (m *hub.Message, at time.Time, err error) {
	text, _ := e.Values["m"].(string)
	if m, err = parseEnvelope([]byte(text)); err != nil {
		return nil, time.Time{}, err
	}
	offset, ours := strings.CutSuffix(e.ID, "-0")
	if !ours {
		return nil, time.Time{}, fmt.Errorf("%w: entry %s: an ID of an offset and -0 is expected", errEnvelope, e.ID)
	}
	m.Epoch = epoch
	if m.Offset, err = strconv.ParseUint(offset, 10, 64); err != nil {
		return nil, time.Time{}, err
	}
	took, _ := e.Values["t"].(string)
	if at, err = parseTime(took); err != nil {
		return nil, time.Time{}, err
	}
	return m, at, deliverable(m)
}

// RemoveHistory implements [hub.HistoryStore].
func (h *histories) RemoveHistory(ctx context.Context, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	_, err := h.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, h.keys.stream(channel))
		p.HDel(ctx, h.keys.position(channel), "x") // the next stream has to be given an end
		return nil
	})
	return unavailable("remove history of "+channel, err)
}
