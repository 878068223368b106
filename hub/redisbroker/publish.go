package redisbroker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// publisher hands messages to Redis.
type publisher struct {
	*client
	lanes *lanes
	wait  time.Duration // how long a publisher waits: the timeout, but in tests that hold publishes back
}

// newPublisher returns a publisher, which works until its lanes are stopped.
func newPublisher(c *client) *publisher {
	return &publisher{client: c, lanes: newLanes(c), wait: c.timeout}
}

// Publish implements [hub.Broker]. Publishes that are in flight at the same time
// share round trips. A message whose context ended while it waited for its turn
// is not sent.
func (p *publisher) Publish(ctx context.Context, channel string, m *hub.Message, o hub.PublishOptions) (hub.PublishResult, error) {
	c, err := p.newPublishing(ctx, channel, m, o)
	if err != nil {
		return hub.PublishResult{}, err
	}
	if err := p.lanes.of(channel).publish(ctx, c); err != nil {
		return hub.PublishResult{}, unavailable("publish", err)
	}
	r, count, err := parsePublishReply(c.command)
	if err != nil {
		return r, p.refused(c.fault(err))
	}
	if count > 0 {
		if !c.belief.saw(count) {
			return hub.PublishResult{}, unavailable("publish", errLeft)
		}
		raise(p.voucher.moved)
	}
	return r, nil
}

// refused is an error of a publish. One that lasts is a reason to find out what else
// this Redis refuses.
func (p *publisher) refused(err error) error {
	if mendOf(err) != "" {
		raise(p.voucher.doubts)
	}
	return unavailable("publish", err)
}

// errLeft is why an answer does not count: the node was leaving the Redis that gave
// it, and nobody may know that it was given.
var errLeft = errors.New("the answer came from a Redis that was left")

// belief is what a node holds of the Redis that it publishes to; see vouch.go.
type belief struct {
	generation string
	term       string
	counter    string        // its key
	highest    atomic.Uint64 // that the counter is known to have reached
	left       atomic.Bool   // what is answered from now on need not be kept
}

// saw notes how far the counter has got. It returns false when it is too late for an
// answer to count. One that counts has been noted when the voucher, who leaves first,
// looks at the highest.
func (b *belief) saw(n uint64) bool {
	for h := b.highest.Load(); n > h && !b.highest.CompareAndSwap(h, n); {
		h = b.highest.Load()
	}
	return !b.left.Load()
}

// generationSize is how many letters a generation has, with which the epochs of its
// channels begin.
const generationSize = 4

// letters are 64. They are read by clients in JSON and in URLs.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// newGeneration names a generation: 24 bits, which nobody gains anything by guessing.
func newGeneration() string { return string(appendName(nil)) }

// newEpoch names an epoch of the generation.
func (b *belief) newEpoch() string {
	return string(appendName(append(make([]byte, 0, 2*generationSize), b.generation...)))
}

func appendName(dst []byte) []byte {
	for n, i := rand.Uint32(), 0; i < generationSize; i++ {
		dst = append(dst, letters[n&63])
		n >>= 6
	}
	return dst
}

// believed returns what the node believes when it may publish, with a position or
// without.
func (p *publisher) believed(ctx context.Context, numbered bool) (*belief, error) {
	f := p.voucher.footing.Load()
	if f.err == nil || !numbered && !forbids(f.err) {
		return f.belief, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	b, err := p.voucher.firm(ctx)
	if !numbered && !forbids(err) {
		err = nil
	}
	return b, err
}

// forbids reports whether nothing at all may be published for a reason.
func forbids(err error) bool { return isUnfit(err) || errors.Is(err, errNotAsked) }

// tellEvery is how often a node that publishes tells the others how far the counter
// has got.
const tellEvery = 50 * time.Millisecond

// tellOthers tells the other nodes how far the counter has got, while this one
// publishes. It ends with the context; one that did not hear hears the next.
func (v *voucher) tellOthers(ctx context.Context, c redis.Cmdable) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-v.moved:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tellEvery):
		}
		if b := v.footing.Load().belief; b != nil {
			_ = c.Publish(ctx, v.keys.counts(), b.report()).Err()
		}
	}
}

// hear takes what another node tells, and looks at what it does not understand: a term
// may have begun. It returns false when it is too late, as [belief.saw] does.
func (v *voucher) hear(report string) bool {
	b := v.footing.Load().belief
	if b == nil {
		return true
	}
	if len(report) < termSize || report[:termSize] != b.term {
		raise(v.doubts)
		return true
	}
	n, err := parseCount(report[termSize:])
	return err != nil || b.saw(n)
}

// hearMessage takes what a message that has a position says at its end.
func (v *voucher) hearMessage(payload string) bool {
	n := len(payload) - reportSize
	return n < 2 || payload[n-2] != tagReport || payload[n-1] != reportSize || v.hear(payload[n:])
}

// A report is what a node tells, and the script with each message: the term, and how
// far the counter has got in it, in so many digits.
const (
	termSize   = 8
	reportSize = termSize + 16
)

func (b *belief) report() string { return fmt.Sprintf("%s%016d", b.term, b.highest.Load()) }

// lower takes a token away, if there is one.
func lower(signal chan struct{}) {
	select {
	case <-signal:
	default:
	}
}

// raise leaves a token, if there is room.
func raise(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// publishing is one publish on its way to Redis.
type publishing struct {
	command  *redis.Cmd
	belief   *belief       // by which it is numbered; nil when it gets no position
	size     int           // bytes of the message
	deadline time.Time     // when its publisher goes away
	answered chan struct{} // closed when command has its reply or its error

	channel  string
	options  hub.PublishOptions
	whole    bool // append.lua does not do for it, but publish.lua
	envelope []byte
	written  atomic.Bool // it is on its way to Redis, or about to be
}

// MarshalBinary is called by the library when there is a connection and the command is
// written to it. Whatever happens before that, nothing was done.
func (c *publishing) MarshalBinary() ([]byte, error) {
	c.written.Store(true)
	return c.envelope, nil
}

// fault is an error of something that goes wrong on the way.
func (c *publishing) fault(err error) error {
	switch {
	case isHalfway(err):
		return fmt.Errorf("%w: %w: %w", hub.ErrUnavailable, hub.ErrUnanswered, err)
	case err != nil && !isReply(err) && !c.written.Load():
		return unsentError{err}
	}
	return err
}

// newPublishing makes ready what publishes a message.
func (p *publisher) newPublishing(ctx context.Context, channel string, m *hub.Message, o hub.PublishOptions) (*publishing, error) {
	c := &publishing{size: len(m.Data), deadline: time.Now().Add(p.wait), answered: make(chan struct{}), channel: channel, options: o}
	if b, err := p.believed(ctx, o.History.Size > 0); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	} else if o.History.Size > 0 {
		c.belief = b
	}
	c.envelope = make([]byte, 0, len(m.Data)+64)
	if c.isPlain() {
		c.envelope = append(c.envelope, "0 \n"...) // where others have position and line end
	}
	c.whole = o.IdempotencyKey != "" || len(m.Data)*o.History.Size > historyBytes(&o)
	c.envelope = appendEnvelope(c.envelope, m)
	c.command = redis.NewCmd(ctx, p.keys.publishArgs(c)...)
	return c, nil
}

// isPlain reports whether there is neither a position nor a key to keep. Such a message
// goes by PUBLISH, which a replica does not refuse.
func (c *publishing) isPlain() bool {
	return c.options.IdempotencyKey == "" && c.options.History.Size == 0
}

// publishArgs is the command that publishes: PUBLISH where that is all, and otherwise a
// script.
func (k keys) publishArgs(c *publishing) []any {
	switch {
	case c.isPlain():
		return []any{"publish", k.topic(c.channel), c}
	case c.whole:
		return k.wholeArgs(c)
	}
	o, b := &c.options, c.belief
	return []any{
		"evalsha", appendScript.Hash(), 3, k.stream(c.channel), k.position(c.channel), b.counter,
		k.topic(c.channel), c, o.History.Size, o.History.TTL.Milliseconds() / 2000, b.generation,
		o.Seen.Epoch, o.Seen.Offset, b.highest.Load(),
	}
}

// wholeArgs is the command that runs publish.lua.
func (k keys) wholeArgs(c *publishing) []any {
	o, stream := &c.options, k.stream(c.channel)
	once, ttl := stream, time.Duration(0)
	if o.IdempotencyKey != "" {
		once, ttl = k.once(c.channel, o.IdempotencyKey), o.IdempotencyTTL
	}
	counter, begun, epoch, highest := stream, stream, "", uint64(0)
	if b := c.belief; b != nil {
		counter, begun, epoch, highest = b.counter, k.begun(), b.newEpoch(), b.highest.Load()
	}
	history := o.History.TTL
	return []any{
		"evalsha", publishScript.Hash(), 5, once, stream, k.position(c.channel), counter, begun,
		ttl.Milliseconds(), k.topic(c.channel), c,
		o.History.Size, history.Milliseconds(), max(metaTTL, 2*history).Milliseconds(), epoch,
		o.Seen.Epoch, o.Seen.Offset, highest, historyBytes(o),
	}
}

// historyBytes is what the history has at most, about.
func historyBytes(o *hub.PublishOptions) int { return cmp.Or(o.History.Bytes, math.MaxInt32) }

// parsePublishReply reads what the script returns, or PUBLISH: how many nodes
// there are.
func parsePublishReply(reply *redis.Cmd) (r hub.PublishResult, count uint64, err error) {
	if reply.Err() != nil {
		return r, 0, reply.Err()
	}
	parts, scripted := reply.Val().([]any)
	if _, plain := reply.Val().(int64); plain {
		return r, 0, nil
	}
	if !scripted || len(parts) != 4 {
		return r, 0, fmt.Errorf("the script returned %v, four values are expected", reply.Val())
	}
	offset, _ := parts[1].(string)
	counted, _ := parts[3].(int64)
	r.Duplicate = parts[0] == int64(0)
	r.Position.Epoch, _ = parts[2].(string)
	if r.Position.Offset, err = strconv.ParseUint(offset, 10, 64); err != nil {
		return hub.PublishResult{}, 0, err
	}
	return r, uint64(max(counted, 0)), nil
}

// parseCount reads a number of the counter, which Lua and Redis count up to 2^53 at
// least.
func parseCount(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > 1<<53 {
		return 0, fmt.Errorf("the counter says %.30q", text)
	}
	return n, nil
}
