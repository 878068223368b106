package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"belfry/cmd/internal/load"
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
	// outageWait is how long Redis is away when nothing else is done meanwhile:
	// every instance has noticed.
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
	f, err := follow(ctx, c, slices.Repeat([][]string{{channel}}, returning), channel)
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
	return c.regain(ctx, f, returning*missedEach, []string{channel}, func() error { return f.Return(ctx, c.nodes[1].endpoint()) })
}

// repairMissed has a message for each channel wait in Redis when it comes back:
// it was published by another instance while the data were at another address.
func repairMissed(ctx context.Context, p *programs, _ variant) (*report, error) {
	return p.repair(ctx, func(c *cluster, channels []string) error {
		redis, err := c.redis.elsewhere()
		if err != nil {
			return err
		}
		defer redis.stop()
		if err := redis.start(ctx); err != nil {
			return err
		}
		s, err := p.startServer(ctx, "belfry", "--redis", redis.url())
		if err != nil {
			return err
		}
		defer s.stop()
		return s.publish(ctx, channels...)
	}, func(*cluster, []string) error { return nil })
}

// repairAtReturn publishes a message to each channel as soon as Redis is back.
func repairAtReturn(ctx context.Context, p *programs, _ variant) (*report, error) {
	return p.repair(ctx, func(*cluster, []string) error {
		time.Sleep(outageWait)
		return nil
	}, func(c *cluster, channels []string) error {
		return c.nodes[1].publish(ctx, channels...)
	})
}

// repair kills the Redis of an instance that is subscribed to many channels, and
// starts it again. One of the functions gives each channel a message.
func (p *programs) repair(ctx context.Context, meanwhile, afterwards func(*cluster, []string) error) (*report, error) {
	// What Redis has accepted is in the file at once, so that killing it loses
	// nothing: fsync would make it wait.
	c, err := p.startCluster(ctx, 2, "--appendonly", "yes", "--appendfsync", "no")
	defer c.stop()
	if err != nil {
		return nil, err
	}
	var channels []string
	for i := range repairing {
		channels = append(channels, fmt.Sprintf("chat-%d", i))
	}
	f, err := follow(ctx, c, slices.Collect(slices.Chunk(channels, eachSession)), channels...)
	if err != nil {
		return nil, err
	}
	defer f.Leave()
	c.redis.stop()
	if err := meanwhile(c, channels); err != nil {
		return nil, err
	}
	if err := c.redis.start(ctx); err != nil {
		return nil, err
	}
	return c.regain(ctx, f, repairing, channels, func() error { return afterwards(c, channels) })
}

// follow subscribes at the first instance, and publishes a message to each
// channel at the other.
func follow(ctx context.Context, c *cluster, subscriptions [][]string, channels ...string) (*load.Followers, error) {
	f, err := load.Follow(ctx, c.nodes[0].endpoint(), subscriptions)
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

// regain measures how the followers get so many messages, from now on, and sees
// that all their subscriptions are alive afterwards: one message more comes to
// each. What does not come as it should is no error: it is in the report.
func (c *cluster) regain(ctx context.Context, f *load.Followers, messages int64, channels []string, do func() error) (*report, error) {
	before := f.Seen()
	r, err := c.measure(ctx, f, messages, do)
	if err != nil {
		return nil, err
	}
	had := f.Seen().Messages
	if err := c.nodes[1].publish(ctx, channels...); err != nil {
		return nil, err
	}
	r.Regained.Faults += f.Wait(ctx, had+f.Subscriptions(), regainWait)
	r.Regained.Faults += f.Seen().Faults() - before.Faults()
	return r, nil
}

// measure measures the time from now until the messages have come.
func (c *cluster) measure(ctx context.Context, f *load.Followers, messages int64, do func() error) (*report, error) {
	start, had := time.Now(), f.Seen().Messages
	before, err := c.redis.reads()
	if err != nil {
		return nil, err
	}
	if err := do(); err != nil {
		return nil, err
	}
	missing := f.Wait(ctx, had+messages, regainWait)
	took := time.Since(start)
	after, err := c.redis.reads()
	return &report{
		Redis:    &redisReport{Reads: after - before},
		Regained: &regained{Seconds: took.Seconds(), Messages: messages - missing, Faults: missing},
	}, err
}
