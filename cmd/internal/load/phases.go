package load

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"
)

const (
	// warmRate bounds how many deliveries a second warm up: fewer than a server can
	// do, so that it is not behind when the counting begins.
	warmRate = 50_000
	// warmWait is how long all subscribers may take to hear something.
	warmWait = 20 * time.Second
	// settling is how long nothing is done before anything is counted, so that
	// what was done to warm up is over on both sides.
	settling = 300 * time.Millisecond
)

// warmUp publishes messages that are not counted, and waits until they are
// delivered and every subscriber has had one: buffers have grown, code is paged in,
// and nobody misses the first message that counts. A message that is refused, or a
// subscriber that hears nothing, is an error.
func (r *run) warmUp(ctx context.Context) error {
	if r.idle() {
		return r.clock.sleepUntil(ctx, r.clock.now()+int64(r.Warmup))
	}
	perMessage := float64(r.Subscribers) / float64(r.Channels)
	rate := min(r.Rate, warmRate/perMessage)
	rounds := math.Ceil(rate * r.Warmup.Seconds() / float64(r.Channels)) // each channel gets as many
	s := &schedule{start: r.clock.now(), interval: 1e9 / rate, total: max(int(rounds), 1) * r.Channels, warm: true}
	r.progress.set("warming up", "subscribers", int64(r.Subscribers), func() int64 { return r.sum().ready })
	if err := r.publish(ctx, s); err != nil {
		return err
	}
	if err := r.refusal(); err != nil {
		return err
	}
	want := int64(max(rounds, 1)) * int64(r.Subscribers)
	r.clock.waitFor(ctx, warmWait, func() bool { return r.sum().warm >= want || r.refusal() != nil })
	if deaf := int64(r.Subscribers) - r.sum().ready; deaf > 0 && ctx.Err() == nil {
		return cmp.Or(r.refusal(), fmt.Errorf("%d of %d subscribers get no messages: do the URLs belong to the same server?", deaf, r.Subscribers))
	}
	return r.clock.sleepUntil(ctx, r.clock.now()+int64(settling))
}

// load publishes the counted messages, or idles, and waits for what is on its way,
// as long as the options have patience. What has not come then is for the report.
func (r *run) load(ctx context.Context) error {
	if r.idle() {
		start := r.clock.now()
		r.progress.set("idling", "s", int64(r.Duration.Seconds()), func() int64 { return (r.clock.now() - start) / 1e9 })
		return r.clock.sleepUntil(ctx, start+int64(r.Duration))
	}
	r.progress.set("loading", "deliveries", r.deliveries(), func() int64 { return r.tallies.sum().delivered })
	stop := r.churn.start(ctx)
	defer stop()
	s := &schedule{start: r.clock.now(), interval: 1e9 / r.Rate, total: r.total()}
	if err := r.publish(ctx, s); err != nil {
		return err
	}
	want := r.expected()
	r.clock.waitFor(ctx, r.Patience, func() bool { return r.tallies.sum().delivered >= want })
	return ctx.Err()
}

// publish has every publisher do its share, all at the same time.
func (r *run) publish(ctx context.Context, s *schedule) error {
	return inParallel(ctx, len(r.publishers), len(r.publishers), func(ctx context.Context, i int) error {
		return r.publishers[i].publish(ctx, s)
	})
}
