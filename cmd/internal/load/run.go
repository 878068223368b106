package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"belfry/cmd/internal/client"
)

// run is one run of the load. Its fields are set while it connects and read
// afterwards; what goes on meanwhile is in the parts, which do not know it.
type run struct {
	Options
	clock  clock
	prefix string // of markers
	dialer *client.Dialer

	subscribers  []*subscriber
	tallies      tallies // of subscribers that read
	stalled      tallies // of those that stop
	publishers   []*publisher
	churn        *churn
	acknowledger *client.Acknowledger // of sessions over HTTP; nil: there are none

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
	// More tallies than cores, so that readers seldom wait for one another.
	r := &run{
		Options: o, clock: clock{time.Now()}, prefix: newPrefix(rand.Uint32()), resume: make(chan struct{}), churn: new(churn),
		tallies: newTallies(4 * runtime.GOMAXPROCS(0)), stalled: newTallies(1),
	}
	u, err := o.socketURL(o.channelName(0))
	if err != nil {
		return nil, err
	}
	if r.dialer, err = client.NewDialer(ctx, u, o.AllowRemote); err != nil {
		return nil, err
	}
	if err := checkDescriptors(r.connections()); err != nil {
		return nil, err
	}
	if r.Transport.OverHTTP() {
		r.acknowledger = client.NewAcknowledger(r.dialer, r.Subscribers)
	}
	defer r.closeAll()
	defer r.progress.start(o.Progress)()
	return r.do(ctx)
}

// do goes through the phases: it connects, warms up, and then measures for as long as the
// options say. What is used before and after that is read at the ends of each phase, so
// that connecting is told apart from delivering.
func (r *run) do(ctx context.Context) (*Report, error) {
	m := meter{pid: r.PID}
	if err := m.take(&m.before); err != nil {
		return nil, err
	}
	if err := errors.Join(r.connect(ctx), m.take(&m.opened)); err != nil {
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
	began := r.clock.now()
	err := r.load(ctx)
	took := time.Duration(r.clock.now() - began)
	err = errors.Join(err, m.take(&m.end), stop())
	r.progress.set("closing", "connections", int64(r.Subscribers), func() int64 { return int64(r.Subscribers) })
	report := r.report(took, &m)
	r.endStall(report)
	return report, err
}

// acknowledge has sessions over HTTP say what they have got, until stop is called: the
// server keeps for them what they have not said to have, and would take them for slow.
// The first error of one that could not say so is that of stop, which may be called
// again.
func (r *run) acknowledge(ctx context.Context) (stop func() error) {
	if r.acknowledger == nil || r.Transport == Poll { // which says so by itself
		return func() error { return nil }
	}
	sessions := make([]*client.Session, len(r.subscribers))
	for i, s := range r.subscribers {
		sessions[i] = s.session
	}
	return r.acknowledger.Start(ctx, sessions)
}

// closeAll says goodbye to the server and waits for the readers. Who does not hear the
// goodbye within a second is dropped.
func (r *run) closeAll() {
	for _, p := range r.publishers {
		p.path.close()
	}
	all := r.conns()
	_ = inParallel(context.Background(), dialing, len(all), func(_ context.Context, i int) error {
		all[i].Leave(time.Second)
		return nil
	})
	r.goOn()
	r.readers.Wait()
	for _, c := range all {
		c.Drop()
	}
	if r.acknowledger != nil {
		r.acknowledger.Close()
	}
}

// conns are the connections that were opened, also when others were not: whoever ends a
// run that has failed half-way has those to close.
func (r *run) conns() (all []*client.Conn) {
	for _, s := range r.subscribers {
		if s != nil {
			all = append(all, s.conn)
		}
	}
	for _, c := range r.churn.members {
		if c != nil {
			all = append(all, c.conn)
		}
	}
	return all
}
