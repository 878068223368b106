package main

import (
	"context"
	"errors"
)

// redisSeconds is how long it takes until p99 is of ten messages or more.
const redisSeconds = 10

// redis has one instance and its memory beside two that meet at Redis: one takes
// what is published, and the subscribers are at the other. A way through Redis has
// at least one round trip more, which is measured beside and taken off.
func redis(s settings) row {
	flags := messages(100, 1, 100, max(redisSeconds, s.seconds), with(remembering, overCentrifuge...)...)
	return row{
		work:  "100 messages/s to 100 subscribers of a channel with history, from one instance to another through Redis",
		needs: "redis-server",
		variants: []variant{
			{name: "memory", server: "belfry", flags: flags},
			{name: "Redis", flags: flags, do: throughRedis},
		},
		measures: []measure{
			ratio("p99 latency less one Redis round trip, Redis to memory", lessRoundTrip, "Redis", "memory").atMost(3),
			median("Redis round trip, a PING beside the load", "µs", roundTrip, "Redis"),
			worst("faults", "", faults, "memory", "Redis").atMost(0),
		},
	}
}

// throughRedis publishes at one instance and subscribes, and measures, at the
// other.
func throughRedis(ctx context.Context, p *programs, v variant) (*report, error) {
	c, err := p.startCluster(ctx, 2)
	defer c.stop()
	if err != nil {
		return nil, err
	}
	stop, err := c.redis.roundTrips(ctx)
	if err != nil {
		return nil, err
	}
	in, out := c.nodes[0], c.nodes[1]
	report, err := p.bench(ctx, out, with(v.flags, "--publish-url", in.url+"/api/publish"))
	trip, failed := stop()
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	report.Redis = &redisReport{RoundTrip: trip}
	return report, nil
}

// comeback is what happens when an instance dies and its clients all go to
// another at the same moment. That they ask for the same messages must not read the
// same stream of Redis two thousand times.
func comeback(settings) row {
	return row{
		work:  "2,000 subscribers of a dead instance come to another at once, and recover 50 messages each from Redis",
		needs: "redis-server",
		variants: []variant{
			{name: "2,000", do: recoverAtOnce},
		},
		measures: []measure{
			worst("from the first to connect until the last has its messages, slowest run", "s", regainedIn, "2,000").atMost(3),
			worst("reads of the stream", "", streamReads, "2,000").atMost(10),
			median("messages recovered", "", regainedAll, "2,000"),
			worst("faults, one more message to all among them", "", regainedFaults, "2,000").atMost(0),
		},
	}
}

// repair cuts one instance that is subscribed to 10,000 channels, over sessions of 128
// each, off from its Redis, or restarts that. Redis has its data again when it answers.
//
// Of what is missed meanwhile each channel has to be read from its stream. What is published at its return meets an instance that has subscribed
// again to some channels and not to others.
func repair(settings) row {
	return row{
		work:  "the connection to Redis is cut, or Redis is killed and comes back, 10,000 channels subscribed at one instance by 79 sessions",
		needs: "redis-server",
		variants: []variant{
			{name: "missed", do: repairMissed},
			{name: "at return", do: repairAtReturn},
		},
		measures: []measure{
			worst("one message each that was missed: from when Redis can be reached until every channel's is delivered, slowest run", "s", regainedIn, "missed").atMost(2),
			worst("streams read", "", streamReads, "missed"),
			worst("one message each published at another instance as soon as Redis answers PING again: the same", "s", regainedIn, "at return").atMost(2),
			worst("streams read", "", streamReads, "at return"),
			worst("faults, one more message to each channel among them", "", regainedFaults, "missed", "at return").atMost(0),
		},
	}
}
