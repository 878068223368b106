package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"belfry/cmd/internal/follow"
	"belfry/cmd/internal/process"
)

const (
	// regainWait is how long messages may take. What has not come by then is counted
	// as a fault.
	regainWait = 30 * time.Second
	// returning is how many subscribers come back at once, and missedEach how
	// many messages each of them has missed.
	returning, missedEach = 2000, 50
	// repairing is how many channels are repaired, and eachSession how many of
	// them a session may have by default.
	repairing, eachSession = 10_000, 128
	// outageWait is how long Redis is away: every instance has noticed.
	outageWait = time.Second
)

// recoverAtOnce kills an instance with all the subscribers, who miss messages
// and come to the other one. Messages are published while nobody is subscribed: the
// time is of recovering alone.
func recoverAtOnce(ctx context.Context, p *programs, _ variant) (*report, error) {
	const channel = "chat-bench"
	c, err := p.startCluster(ctx, 2)
	defer c.stop()
	if err != nil {
		return nil, err
	}
	f, err := subscribed(ctx, c, slices.Repeat([][]string{{channel}}, returning), channel)
	if err != nil {
		return nil, err
	}
	defer f.Leave()
	c.nodes[0].kill()
	f.Leave()
	for range missedEach {
		if err := c.nodes[1].publish(ctx, channel); err != nil {
			return nil, err
		}
	}
	r := regaining{f, []string{channel}, returning * missedEach, c.nodes[1], c.redis, c.nodes[1]}
	return r.measure(ctx, func() error { return f.Return(ctx, c.nodes[1].endpoint()) })
}

// repairMissed publishes a message to each channel at another instance, while the
// one that is subscribed cannot reach Redis.
func repairMissed(ctx context.Context, p *programs, _ variant) (*report, error) {
	c, err := p.startCluster(ctx, 0)
	defer c.stop()
	if err != nil {
		return nil, err
	}
	g, err := openGate(c.redis.addr)
	if err != nil {
		return nil, err
	}
	defer g.close()
	if err := c.join(ctx, p, g.url(), c.redis.url()); err != nil {
		return nil, err
	}
	f, channels, err := c.subscribedToMany(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Leave()
	g.shut()
	if err := c.nodes[1].publish(ctx, channels...); err != nil {
		return nil, err
	}
	r := regaining{f, channels, repairing, c.nodes[0], c.redis, c.nodes[1]}
	return r.measure(ctx, func() error { g.open(); return nil })
}

// repairAtReturn kills Redis, starts it again, and publishes a message to each channel
// as soon as it is back.
func repairAtReturn(ctx context.Context, p *programs, _ variant) (*report, error) {
	// What Redis has accepted is in the file at once, so that killing it loses
	// nothing: fsync would make it wait.
	c, err := p.startCluster(ctx, 2, "--appendonly", "yes", "--appendfsync", "no")
	defer c.stop()
	if err != nil {
		return nil, err
	}
	f, channels, err := c.subscribedToMany(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Leave()
	c.redis.stop()
	time.Sleep(outageWait)
	if err := c.redis.start(ctx); err != nil {
		return nil, err
	}
	r := regaining{f, channels, repairing, c.nodes[0], c.redis, c.nodes[1]}
	return r.measure(ctx, func() error { return c.nodes[1].publish(ctx, channels...) })
}

// subscribedToMany subscribes at the first instance to many channels.
func (c *cluster) subscribedToMany(ctx context.Context) (*follow.Followers, []string, error) {
	var channels []string
	for i := range repairing {
		channels = append(channels, fmt.Sprintf("chat-%d", i))
	}
	f, err := subscribed(ctx, c, slices.Collect(slices.Chunk(channels, eachSession)), channels...)
	return f, channels, err
}

// subscribed subscribes at the first instance, and publishes a message to each
// channel at the other.
func subscribed(ctx context.Context, c *cluster, subscriptions [][]string, channels ...string) (*follow.Followers, error) {
	f, err := follow.Open(ctx, c.nodes[0].endpoint(), subscriptions)
	if err != nil {
		return nil, err
	}
	err = c.nodes[1].publish(ctx, channels...)
	if missing := f.Wait(ctx, f.Subscriptions(), regainWait); err == nil && missing > 0 {
		err = fmt.Errorf("%d of %d subscriptions get no messages", missing, f.Subscriptions())
	}
	if err != nil {
		f.Leave()
		return nil, err
	}
	return f, nil
}

// regaining is subscribers who are about to get messages that they have missed, or
// that are published now.
type regaining struct {
	followers *follow.Followers
	channels  []string // all that they are subscribed to
	messages  int64    // that they should get, in all
	from      *server  // whose clients they are
	redis     *redisServer
	publisher *server // which publishes one more to each; it may be the same
}

// measure measures how the followers get their messages, from now on, and sees
// that all their subscriptions are alive afterwards: one message more comes to
// each. What does not come as it should is no error: it is in the report.
func (r *regaining) measure(ctx context.Context, do func() error) (*report, error) {
	before := r.followers.Seen()
	result, err := r.time(ctx, do)
	if err != nil {
		return nil, err
	}
	had := r.followers.Seen().Messages
	if err := r.publisher.publish(ctx, r.channels...); err != nil {
		return nil, err
	}
	result.Regained.Faults += r.followers.Wait(ctx, had+r.followers.Subscriptions(), regainWait)
	result.Regained.Faults += r.followers.Seen().Faults() - before.Faults()
	return result, nil
}

// time does what brings the messages and measures from its beginning until they
// have come. What the server uses is of the same time.
func (r *regaining) time(ctx context.Context, do func() error) (*report, error) {
	used, err := process.Read(r.from.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	reads, err := r.redis.reads()
	if err != nil {
		return nil, err
	}
	start, had := time.Now(), r.followers.Seen().Messages
	if err := do(); err != nil {
		return nil, err
	}
	missing := r.followers.Wait(ctx, had+r.messages, regainWait)
	took := time.Since(start)
	uses, err := process.Read(r.from.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	readsNow, err := r.redis.reads()
	return &report{Redis: &redisReport{Reads: readsNow - reads}, Regained: &regained{
		Seconds: took.Seconds(), Messages: r.messages - missing, Faults: missing,
		CPUSeconds: (uses.CPU - used.CPU).Seconds(), Memory: uses.Memory,
	}}, err
}
