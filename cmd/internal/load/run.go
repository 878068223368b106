package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// run is one run of the load.
type run struct {
	Options
	base   time.Time // zero of the clock
	prefix string    // of markers
	dialer *dialer

	subscribers  []*subscriber
	tallies      tallies // of subscribers that read
	stalled      tallies // of those that stop
	publishers   []*publisher
	churn        *churn
	acknowledger *acknowledger // of sessions over HTTP
	period       int64         // nanoseconds between messages of one publisher in one channel

	readers  sync.WaitGroup
	resume   chan struct{} // closed when those that stopped reading go on
	resumed  sync.Once
	progress progress
}

// Run does what the options say and reports what came of it. When it ends early
// it returns an error, and a report only if anything was counted. Nothing that
// it started is left when it returns.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	r := &run{
		Options: o, base: time.Now(), prefix: newPrefix(rand.Uint32()), resume: make(chan struct{}), churn: &churn{},
		tallies: newTallies(4 * runtime.GOMAXPROCS(0)), stalled: newTallies(1),
	}
	u, err := o.socketURL(o.channelName(0))
	if err != nil {
		return nil, err
	}
	if r.dialer, err = newDialer(ctx, u, o.AllowRemote); err != nil {
		return nil, err
	}
	if err := r.checkDescriptors(); err != nil {
		return nil, err
	}
	r.acknowledger = newAcknowledger(r.Subscribers, r.dialer)
	defer r.closeAll()
	defer r.progress.start(o.Progress)()
	return r.do(ctx)
}

// do goes through the phases.
func (r *run) do(ctx context.Context) (*Report, error) {
	m := meter{pid: r.PID}
	if err := m.take(&m.before); err != nil {
		return nil, err
	}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	stop := r.acknowledge(ctx)
	defer stop()
	if err := r.warmUp(ctx); err != nil {
		return nil, err
	}
	if err := m.take(&m.begin); err != nil {
		return nil, err
	}
	began := r.clock()
	err := r.load(ctx)
	took := time.Duration(r.clock() - began)
	err = errors.Join(err, m.take(&m.end), stop())
	r.progress.set("closing", "connections", int64(r.Subscribers), func() int64 { return int64(r.Subscribers) })
	report := r.report(took, &m)
	r.endStall(report)
	return report, err
}

// clock is nanoseconds since the run began.
func (r *run) clock() int64 { return int64(time.Since(r.base)) }

// sleepUntil sleeps until the clock shows a time.
func (r *run) sleepUntil(ctx context.Context, at int64) error {
	for ctx.Err() == nil {
		switch wait := time.Duration(at - r.clock()); {
		case wait <= 0:
			return nil
		case wait > coarse:
			pause(ctx, wait-coarse)
		default:
			pauseExactly(wait)
		}
	}
	return ctx.Err()
}

// sum is that of all subscribers.
func (r *run) sum() counts {
	c, stalled := r.tallies.sum(), r.stalled.sum()
	c.add(&stalled)
	return c
}

// connections is how many connections to the server there are.
func (r *run) connections() int {
	n := r.Subscribers
	if !r.idle() {
		n += r.churners()
	}
	if !r.idle() && r.PublishURL != "" {
		n += r.Publishers
	}
	return n
}

// closeAll says goodbye to the server and waits for the readers.
func (r *run) closeAll() {
	for _, p := range r.publishers {
		p.path.close()
	}
	all := r.conns()
	_ = inParallel(context.Background(), dialing, len(all), func(_ context.Context, i int) error {
		all[i].leave(time.Second)
		return nil
	})
	r.goOn()
	r.readers.Wait()
	for _, c := range all {
		c.drop()
	}
	r.acknowledger.close()
}

// conns are the connections that were opened.
func (r *run) conns() (all []*conn) {
	for _, s := range r.subscribers {
		if s != nil {
			all = append(all, &s.conn)
		}
	}
	for _, c := range r.churn.members {
		if c != nil {
			all = append(all, &c.conn)
		}
	}
	return all
}
