package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

const (
	// publishLanes is how many batches of publishes may be under way at the same
	// time. All publishes to one channel take the same lane.
	publishLanes = 2
	// publishPlaces is how many publishes a lane has room for. More wait for a
	// place.
	publishPlaces = 512
	// publishBatch is how many publishes share one round trip at most.
	publishBatch = 128
	// publishBatchBytes is how many bytes of messages they have, and one message
	// more.
	publishBatchBytes = 1 << 20
)

var errStopped = errors.New("the broker has stopped")

// lanes are the ways that publishes take to Redis.
type lanes struct {
	all  [publishLanes]lane
	seed maphash.Seed
}

// newLanes returns lanes that are free.
func newLanes(c *client) *lanes {
	ls := &lanes{seed: maphash.MakeSeed()}
	for i := range ls.all {
		ls.all[i].client, ls.all[i].places = c, make(chan struct{}, publishPlaces)
	}
	return ls
}

// of returns the lane of a channel.
func (ls *lanes) of(channel string) *lane {
	return &ls.all[maphash.String(ls.seed, channel)%publishLanes]
}

// stop fails what is queued and what comes from now on, and waits for the batches
// under way.
func (ls *lanes) stop() {
	for i := range ls.all {
		ls.all[i].stop()
	}
	for i := range ls.all {
		ls.all[i].sending.Wait()
	}
}

// lane has one batch under way at a time. Publishes that come meanwhile share the
// next one, and reach Redis in the order in which they came. A publish that finds
// the lane free is sent by its publisher; if others have come until it is
// answered, a goroutine goes on with them until the queue is empty. [lanes.stop]
// waits for it.
type lane struct {
	client  *client
	places  chan struct{}  // has an element for each publish in the lane
	sending sync.WaitGroup // counts busy

	mu      sync.Mutex // guards what follows
	busy    bool       // a batch is under way
	stopped bool
	queue   []*publishing
}

// publish sends a command and waits until it is answered or the context ends. What
// has not been sent by then is not sent later.
func (l *lane) publish(ctx context.Context, c *publishing) error {
	if err := ctx.Err(); err != nil {
		return unsentError{err}
	}
	select {
	case l.places <- struct{}{}:
	default:
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.deadline)
		defer cancel()
		select {
		case l.places <- struct{}{}:
		case <-ctx.Done():
			return unsentError{fmt.Errorf("%d others wait for Redis: %w", publishPlaces, ctx.Err())}
		}
	}
	defer func() { <-l.places }()
	if l.enter(c) {
		defer l.handOver()
		l.exchange(ctx, []*publishing{c})
		return nil
	}
	select {
	case <-c.answered:
		return nil
	case <-ctx.Done():
		if l.leave(c) {
			return unsentError{ctx.Err()}
		}
		return ctx.Err()
	}
}

// enter reports whether the lane was free; then the caller sends, and hands over.
// Otherwise the command is queued.
func (l *lane) enter(c *publishing) (free bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopped:
		c.fail(errStopped)
	case l.busy:
		l.queue = append(l.queue, c)
	default:
		l.busy, free = true, true
		l.sending.Add(1)
	}
	return free
}

// leave takes a command out of the queue, and reports whether it was still there.
func (l *lane) leave(c *publishing) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, c)
	if i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
	}
	return i >= 0
}

// handOver goes on with what was queued meanwhile.
func (l *lane) handOver() {
	if batch := l.take(); batch != nil {
		go l.drain(batch)
	}
}

// drain sends batches until the queue is empty.
func (l *lane) drain(batch []*publishing) {
	for ; batch != nil; batch = l.take() {
		l.exchange(context.Background(), batch)
		// Those who were answered are about to publish again, if they get to run.
		runtime.Gosched()
	}
}

// take returns the next batch, or nil after noting that the lane is free.
func (l *lane) take() []*publishing {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < min(len(l.queue), publishBatch) && size < publishBatchBytes {
		size += l.queue[n].size
		n++
	}
	if n == 0 {
		l.busy = false
		l.sending.Done()
		return nil
	}
	batch := slices.Clone(l.queue[:n])
	l.queue = slices.Delete(l.queue, 0, n)
	return batch
}

// stop fails what is queued. The batch under way is finished.
func (l *lane) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for _, c := range l.queue {
		c.fail(errStopped)
	}
	l.queue = nil
}

// fail answers a publish that was not sent.
func (c *publishing) fail(err error) {
	c.command.SetErr(err)
	close(c.answered)
}

// exchanges is how often a batch is sent at most: Redis may be gone from the other end
// of a connection, not know the script, then not the belief, and then there may be more
// to do than to append.
const exchanges = 5

// exchange sends a batch and answers it. What Redis refuses to do because it does not
// know the script, as after a restart, or the belief by which it is to number, or
// because there is more to do, is sent once more when that is mended. It did nothing. So is what was not sent because
// Redis has hung up since the connection was used last.
func (l *lane) exchange(ctx context.Context, batch []*publishing) {
	ctx, cancel := context.WithDeadline(ctx, deadline(batch))
	defer cancel()
	pipe := l.client.redis.Pipeline()
	for sent := 1; len(batch) > 0; sent++ {
		refused := l.execute(ctx, pipe, batch)
		if len(refused) > 0 && (sent == exchanges || !l.mend(ctx, pipe, refused)) {
			for _, c := range refused {
				close(c.answered)
			}
			return
		}
		batch = refused
	}
}

// mend has commands ready to be sent again, behind the scripts where Redis does not
// know them, and reports whether there is a use in it.
func (l *lane) mend(ctx context.Context, pipe redis.Pipeliner, refused []*publishing) bool {
	now := l.client.voucher.footing.Load().belief
	load := false
	for _, c := range refused {
		err := c.command.Err()
		load = load || redis.HasErrorPrefix(err, "NOSCRIPT")
		c.whole = c.whole || isBeginning(err)
		if c.belief == nil {
			continue
		}
		if isStranger(err) && c.belief == now {
			if now, err = l.client.voucher.renewed(ctx, c.belief); err != nil {
				return false
			}
		}
		c.belief = now
	}
	for _, c := range refused {
		c.command = redis.NewCmd(ctx, l.client.keys.publishArgs(c)...)
	}
	if load {
		pipe.ScriptLoad(ctx, appendSource)
		pipe.ScriptLoad(ctx, publishSource)
	}
	return true
}

// isStranger reports whether a script has refused because Redis is not known to have
// what it had.
func isStranger(err error) bool { return err != nil && redis.HasErrorPrefix(err, "VOUCH") }

// isBeginning reports whether append.lua has found that there is more to do.
func isBeginning(err error) bool { return err != nil && redis.HasErrorPrefix(err, "BEGIN") }

// deadline is when the first of the publishers goes away, who must be told until
// then what became of the message. Others of the batch may hear earlier than they
// have to that Redis does not answer.
func deadline(batch []*publishing) time.Time {
	first := batch[0].deadline
	for _, c := range batch {
		if c.deadline.Before(first) {
			first = c.deadline
		}
	}
	return first
}

// execute sends commands in one round trip, answers them, and returns those that need
// the script, another script, another belief or another connection. An error of Redis is
// that of one command; when the connection breaks, every command without a reply has the
// error.
func (l *lane) execute(ctx context.Context, pipe redis.Pipeliner, batch []*publishing) (refused []*publishing) {
	var probe *redis.Cmd
	for _, c := range batch {
		c.command.SetErr(nil)
		c.written.Store(false)           // what was sent before has done nothing
		_ = pipe.Process(ctx, c.command) // queues, and never fails
		if c.isPlain() && probe == nil {
			probe = redis.NewCmd(ctx, "del", l.client.keys.probe())
		}
	}
	if probe != nil {
		_ = pipe.Process(ctx, probe)
	}
	_, _ = pipe.Exec(ctx) // what it returns, some command has as well
	if probe != nil && isReadOnly(probe.Err()) {
		l.doubt(batch, probe.Err())
	}
	for _, c := range batch {
		if err := c.command.Err(); err != nil && (redis.HasErrorPrefix(err, "NOSCRIPT") || isStranger(err) || isBeginning(err) || isUnsent(err)) {
			refused = append(refused, c)
			continue
		}
		close(c.answered)
	}
	return refused
}

// doubt has plain publishes fail that were answered by a replica, which takes them and
// brings them to nobody but those who listen to it. It refuses what comes behind them in
// the same round trip: to delete what is not there.
func (l *lane) doubt(batch []*publishing, why error) {
	for _, c := range batch {
		if c.isPlain() && c.command.Err() == nil {
			c.command.SetErr(fmt.Errorf("%w: %w: %w", hub.ErrUnavailable, hub.ErrUnanswered, why))
		}
	}
	raise(l.client.voucher.doubts)
}

func isReadOnly(err error) bool { return err != nil && redis.HasErrorPrefix(err, "READONLY") }
