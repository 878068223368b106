package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// A script that is refused in its middle has done what came before: a message is
// kept, and its publisher is told that nothing was done. So a node finds out whether
// its Redis can serve before anything is written, each time that it asks which Redis
// it has. What is wrong stands in its footing, so that nothing is numbered, and what
// needs no number is refused as well: on a replica nobody else would hear it.

// unfitError is why a Redis cannot serve, although it answers.
type unfitError struct {
	hub.RefusedError
	detail string // what Redis has said, or what is missing
	mend   string
}

func (e *unfitError) Error() string {
	if e.detail == "" {
		return e.Reason
	}
	return e.Reason + ": " + e.detail
}

func (e *unfitError) Unwrap() []error { return []error{hub.ErrUnavailable, &e.RefusedError} }

var (
	errReplica  = &unfitError{RefusedError: hub.RefusedError{Reason: "Redis is read-only"}, detail: "it is a replica", mend: mendReplica}
	errSentinel = &unfitError{RefusedError: hub.RefusedError{Reason: "a Sentinel answers in place of Redis", Lasts: true}, mend: mendSentinel}
)

// fit returns an [unfitError] when the Redis that answers cannot serve, or another
// error when it does not answer.
func (v *voucher) fit(ctx context.Context, c *redis.Conn, id identity) error {
	switch {
	case id.sentinel:
		return errSentinel
	case id.replica:
		return errReplica
	}
	refused, err := rightsScript.Run(ctx, c, nil, v.rights).StringSlice()
	if err != nil && isReply(err) {
		if a, _ := answerOf(err); a.mend != "" && a.mend != mendCluster {
			return &unfitError{hub.RefusedError{Reason: a.reason, Lasts: true}, reasonOf(err), a.mend}
		}
		return nil // such as a script of somebody that goes on for too long
	}
	if len(refused) > 0 {
		return lacking(refused)
	}
	return err
}

// lacking says what is missing, by what rights.lua has returned. When Redis does not
// know a command no right helps, so that comes first.
func lacking(refused []string) *unfitError {
	var unknown []string
	for _, line := range refused {
		if name, ok := strings.CutPrefix(line, "?"); ok {
			name, _, _ = strings.Cut(name, "\t")
			unknown = append(unknown, name)
		}
	}
	said, detail := noPermission, "it may not run "+describe(refused)
	if len(unknown) > 0 {
		said, detail = unknownCommand, "it does not know "+describe(slices.Compact(unknown))
	}
	a, _ := answerOf(said)
	return &unfitError{hub.RefusedError{Reason: a.reason, Lasts: true}, detail, a.mend}
}

// refuse has nothing published by a Redis that is not fit, and tells why. Other errors
// say that the connection is of no use.
func (v *voucher) refuse(id identity, b *belief, err error) error {
	var unfit *unfitError
	if !errors.As(err, &unfit) {
		return err
	}
	v.stand(id.process, b, unfit)
	v.refusals.warn(unfit.Error(), "this Redis cannot serve, so this node is not ready", "err", unfit, "mend", unfit.mend)
	return nil
}

// How Redis says that a right is missing, and that it does not know a command.
const (
	noPermission   = proto("NOPERM ")
	unknownCommand = proto("ERR unknown command")
)

// proto is an answer that Redis has not given.
type proto string

func (p proto) Error() string { return string(p) }
func (proto) RedisError()     {}

// describe names rights that are missing, a few of them.
func describe(refused []string) string {
	const most = 4
	names := make([]string, 0, most)
	for _, line := range refused[:min(most, len(refused))] {
		names = append(names, strings.Replace(line, "\t", " on ", 1))
	}
	text := strings.ReplaceAll(strings.Join(names, ", "), "\t", " and ")
	if more := len(refused) - most; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// unfit returns why the Redis that is there can do nothing for Belfry, or nil.
func (v *voucher) unfit() error {
	if err := v.footing.Load().err; isUnfit(err) {
		return err
	}
	return nil
}

// absent is why there is no Pub/Sub connection.
func (v *voucher) absent() error {
	var refusal *hub.RefusedError
	if err := v.footing.Load().err; errors.As(err, &refusal) {
		return err
	}
	return fmt.Errorf("%w: no Pub/Sub connection to Redis", hub.ErrUnavailable)
}

// asked waits until something is known of Redis, be it that it is away.
func (v *voucher) asked(ctx context.Context) {
	for f := v.footing.Load(); errors.Is(f.err, errNotAsked); f = v.footing.Load() {
		select {
		case <-f.changed:
		case <-v.stopped:
			return
		case <-ctx.Done():
			return
		}
	}
}

func isUnfit(err error) bool {
	var unfit *unfitError
	return errors.As(err, &unfit)
}

// needs are the commands that Belfry runs, by what they are run on; the name of a
// channel stands for all. README has the same for those who make the user.
func (k keys) needs() string {
	const channel, lease = "channel", "lease"
	var b strings.Builder
	add := func(commands string, on ...string) {
		for _, command := range strings.Split(commands, ", ") {
			for _, keys := range on {
				b.WriteString(command + "\t" + keys + "\n")
			}
		}
	}
	add("ping, info, multi, exec, time, eval x 0, evalsha x 0, script load x", "")
	if k.selects {
		add("select 1", "")
	}
	add("publish, subscribe, unsubscribe", k.topic(channel), k.allNodes(), k.oneNode(lease), k.counts())
	add("get, set, del", k.once(channel, "key"))
	add("hmget, hincrby, hset, hdel, set, del, pexpire, pttl", k.position(channel))
	add("xadd, xlen, xtrim, xrange, xrevrange, memory usage, exists, pexpire, del", k.stream(channel))
	add("sismember, sadd, expire", k.begun()+"x")
	add("del", k.probe())
	add("get, set, del, exists, incr, decr", k.counter("x"))
	add("rename", k.counter("x")+"\t"+k.counter("y"))
	add("hmget, hset, del", k.record())
	add("zadd, zrem, zremrangebyscore, zcard, del", k.asking())
	add("zadd, zrem, zscore, zrange, zrangebyscore", k.leases())
	add("sadd, srem, sismember, srandmember", k.deadLeases())
	add("zadd, zscore, zremrangebyscore", k.endedLeases())
	add("sadd, srem, smembers, srandmember", k.channelsUnder(lease))
	add("hget, hset, hdel, hgetall, hkeys, hlen, hscan, hrandfield, exists", k.members(channel, lease))
	add("hincrby, hdel, hgetall, del", k.users(channel, lease))
	add("hget, hset, hdel, hscan, del", k.notes())
	return b.String()
}
