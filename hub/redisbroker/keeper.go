package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

const (
	// memberBatch is how many changes of members share a round trip. Redis
	// answers nobody else during one change, and the batch takes it 5 to 10 ms.
	memberBatch = 500
	// calm is how long a node must have been in touch with Redis before it ends
	// the leases of others. When Redis was away the others could not renew them,
	// and have this time to come back.
	calm = 2 * time.Second
)

// errLeaseGone is what a batch meets whose lease Redis does not know.
var errLeaseGone = errors.New("the lease of this node is gone")

// farewell bounds what a node does about its presence when it stops: a second, when
// the timeout is the default.
func (p *presence) farewell() time.Duration { return p.timeout * 2 / 3 }

// leaseLength and renewEvery leave an eighth of the time to live for others to
// take the members out: they look as often as they renew.
func (p *presence) leaseLength() time.Duration { return p.ttl * 3 / 4 }
func (p *presence) renewEvery() time.Duration  { return p.ttl / 8 }

// keeper brings the presence of this node's clients to Redis. It belongs to one
// goroutine.
type keeper struct {
	*presence
	lease  string    // empty: none yet
	leases int       // taken so far
	due    bool      // the lease is to be renewed
	since  time.Time // when being in touch with Redis began; zero: not in touch
}

// keep works until the context ends, and then for at most the time of
// farewell.
func (p *presence) keep(ctx context.Context) {
	k := &keeper{presence: p, due: true}
	tick := time.NewTicker(p.renewEvery())
	defer tick.Stop()
	p.members.ring()
	p.voucher.asked(ctx)
	for {
		select {
		case <-ctx.Done():
			k.retire()
			return
		case <-tick.C:
			k.due = true
			p.members.retry()
		case <-p.members.wake:
		}
		if err := k.work(ctx); err != nil && ctx.Err() == nil {
			k.failed(err)
			k.since = time.Time{}
			pause(ctx, retryEvery)
			p.members.ring()
		}
	}
}

// failed notes why work has come to nothing. What Redis refuses lasts unless it is
// known to pass: the leases are those of all nodes, and not of one channel that
// somebody has damaged.
func (k *keeper) failed(err error) {
	k.logger.Debug("presence waits for Redis", "err", err)
	if _, known := answerOf(err); isReply(err) && !known {
		k.refusals.lasts("the leases of the presence", err, "")
	}
}

// work brings Redis up to date. After an error it has to be called again.
func (k *keeper) work(ctx context.Context) error {
	if f := k.voucher.footing.Load(); isUnfit(f.err) || f.belief == nil {
		return f.err // nothing is written by halves
	}
	doubted := k.members.takeDoubt()
	if doubted || k.due {
		k.due = true
		if err := k.renew(ctx, doubted); err != nil {
			if doubted {
				k.members.doubt()
			}
			return err
		}
		k.due = false
	}
	err := k.sendChanges(ctx)
	if errors.Is(err, errLeaseGone) {
		k.due = true
		k.members.ring()
		return nil
	}
	return err
}

// renew makes the lease longer. When it is gone, because Redis has lost its data
// or the node was away for longer than its lease, a new one is taken, and all
// members are added again: without a word in the first case, and in the second
// after those under the old lease were all taken out.
func (k *keeper) renew(ctx context.Context, doubted bool) error {
	next := fmt.Sprintf("%s.%d", k.node, k.leases+1)
	r, err := k.askLease(ctx, next)
	if err != nil {
		return err
	}
	if k.since.IsZero() {
		k.since = time.Now()
	}
	k.passOn(r.dead)
	switch {
	case r.kept && doubted:
		return k.compare(ctx)
	case r.kept:
		return nil
	case r.ended:
		k.logger.Warn("this node was away for so long that its clients were taken for gone; they join again", "node", k.node)
		if err := k.reap(ctx, k.lease); err != nil {
			return err
		}
		k.members.reaped()
	default:
		k.members.lose()
	}
	k.lease, k.leases = next, k.leases+1
	return nil
}

// leaseReply is what became of a lease.
type leaseReply struct {
	kept, ended bool
	dead        []string
}

// askLease asks Redis to make the lease longer, or to take the next one when it is
// gone. It ends leases of others that are over when the node has been in touch with
// Redis long enough to tell.
func (k *keeper) askLease(ctx context.Context, next string) (leaseReply, error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	end := 0
	if !k.since.IsZero() && time.Since(k.since) >= calm {
		end = 1
	}
	keys := []string{k.keys.leases(), k.keys.deadLeases(), k.keys.endedLeases()}
	values, err := leaseScript.Run(ctx, k.redis, keys, k.lease, next, k.leaseLength().Milliseconds(), end).Slice()
	if err != nil {
		return leaseReply{}, err
	}
	return parseLease(values)
}

// parseLease reads what the script returns.
func parseLease(values []any) (r leaseReply, err error) {
	if len(values) < 2 {
		return r, fmt.Errorf("lease script: %d values came, at least 2 are expected", len(values))
	}
	r.kept, r.ended = values[0] == int64(1), values[1] == int64(1)
	for _, v := range values[2:] {
		r.dead = append(r.dead, fmt.Sprint(v))
	}
	return r, nil
}

// compare finds what Redis has of this node and should not have, as after a
// restart with older data, and has all members added that are missing.
func (k *keeper) compare(ctx context.Context) error {
	names, err := k.redis.SMembers(ctx, k.keys.channelsUnder(k.lease)).Result()
	if err != nil {
		return err
	}
	for len(names) > 0 {
		n := min(len(names), memberBatch)
		if err := k.compareSome(ctx, names[:n]); err != nil {
			return err
		}
		names = names[n:]
	}
	k.members.lose()
	return nil
}

// compareSome finds clients on some channels of whom this node does not know.
func (k *keeper) compareSome(ctx context.Context, channels []string) error {
	replies := make([]*redis.StringSliceCmd, len(channels))
	_, err := k.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, channel := range channels {
			replies[i] = p.HKeys(ctx, k.keys.members(channel, k.lease))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, reply := range replies {
		for _, client := range reply.Val() {
			k.members.stray(channels[i], client)
		}
	}
	return nil
}

// sendChanges tells Redis what changed, until nothing is left.
func (k *keeper) sendChanges(ctx context.Context) error {
	for {
		changes := k.members.take(memberBatch)
		if len(changes) == 0 {
			return nil
		}
		if err := k.sendBatch(ctx, changes); err != nil {
			return err
		}
	}
}

// sendBatch returns the first error that is a reason to stop, after it has settled
// each change.
func (k *keeper) sendBatch(ctx context.Context, changes []change) (first error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	replies := make([]*redis.Cmd, len(changes))
	err := k.scripted(ctx, memberScript, func(p redis.Pipeliner) {
		for i, c := range changes {
			replies[i] = k.tell(ctx, p, c)
		}
	})
	if isReply(err) {
		k.refusals.warn(err.Error(), "Redis refused what changed in the presence, trying again", "err", err, "every", k.renewEvery())
	}
	for i, c := range changes {
		if e := k.settle(c, replies[i], err); first == nil {
			first = e
		}
	}
	return first
}

// settle notes what came of a change, err being what came of the batch. One that
// met no lease is tried again with the next, and those who wait for it do not hear
// of that.
func (k *keeper) settle(c change, reply *redis.Cmd, err error) error {
	n, failed := reply.Int()
	switch {
	case failed == nil && n == 1:
		k.members.done(c)
	case failed == nil:
		k.members.undone(c, nil)
		return errLeaseGone
	case isReply(failed) && isReply(err):
		k.members.refuse(c, failed)
	default:
		k.members.undone(c, failed)
		return failed
	}
	return nil
}

// tell is the command that brings one change to Redis; see member.lua.
func (k *keeper) tell(ctx context.Context, p redis.Pipeliner, c change) *redis.Cmd {
	var leave, forced, joined, join []byte
	if c.leave {
		leave = joinLeaveHead(hub.KindLeave)
	}
	if c.force {
		forced = appendMember(nil, c.info)
	}
	if c.join {
		joined = appendMember(nil, c.info)
	}
	if !c.quiet {
		join = joinLeaveHead(hub.KindJoin)
	}
	keys := []string{k.keys.leases(), k.keys.channelsUnder(k.lease), k.keys.members(c.channel, k.lease), k.keys.users(c.channel, k.lease)}
	return p.EvalSha(ctx, memberScript.Hash(), keys,
		k.lease, c.channel, k.keys.topic(c.channel), c.client, leave, forced, joined, join)
}

// retire tells Redis what is left to tell, and ends the lease. Members that are
// still there, because their sessions were cut off, are taken out.
func (k *keeper) retire() {
	ctx, cancel := context.WithTimeout(context.Background(), k.farewell())
	defer cancel()
	if k.lease == "" {
		return
	}
	err := k.sendChanges(ctx)
	if err == nil {
		err = k.endLease(ctx)
	}
	if err != nil {
		k.logger.Warn("other nodes will take the clients of this one out of the presence", "after", k.ttl, "err", err)
	}
}

// endLease gives the lease back, from which moment nobody counts its members, and
// takes them out.
func (k *keeper) endLease(ctx context.Context) error {
	_, err := k.redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRem(ctx, k.keys.leases(), k.lease)
		p.SAdd(ctx, k.keys.deadLeases(), k.lease)
		return nil
	})
	if err != nil {
		return err
	}
	return k.reap(ctx, k.lease)
}
