package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

const (
	// lossTime is how long faults are made, unless BELFRY_SOAK says otherwise.
	lossTime = 8 * time.Second
	// maxLossTime is the longest that BELFRY_SOAK may ask for.
	maxLossTime = 24 * time.Hour
	// catchUp is how long publishers and subscribers may take to come to an end
	// once all is well again.
	catchUp = 3 * hubtest.Patience
	// progressEvery is the time between reports of a long run.
	progressEvery = 5 * time.Second
)

// TestLoss breaks what can break for a while: nodes, Redis, connections,
// clients. Meanwhile publishers publish and subscribers follow; in the end each
// must have every acknowledged message of its channel once and in order, or have
// been told of the gap. BELFRY_SOAK is the time, such as 10m, and BELFRY_SEED
// repeats the faults of another run, as far as the machine does.
func TestLoss(t *testing.T) {
	l := newLoss(t)
	defer l.report()
	l.begin()
	l.troubles.run(l.time, l.enough, l.progress)
	l.finish()
	if !l.enough() {
		t.Errorf("the test tests too little: %s", l)
	}
}

// enough reports whether everything has happened that the test is about.
func (l *loss) enough() bool {
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	return l.ledger.told > 0 && l.ledger.recovered > 0 && len(l.troubles.counts) == len(troubleKinds)
}

// loss is one run of the loss test.
type loss struct {
	t           *testing.T
	seed        uint64
	time        time.Duration
	ledger      *ledger
	site        *site
	troubles    *troubles
	publishing  sync.WaitGroup
	stop        context.CancelFunc // of publishing
	started     time.Time
	progressed  time.Time
	subscribers []*lossSubscriber
}

// newLoss makes everybody, and starts the site.
func newLoss(t *testing.T) *loss {
	l := &loss{t: t, seed: lossSeed(t), time: lossDuration(t), ledger: newLedger(lossChannels()...)}
	t.Logf("seed %d, faults for %v", l.seed, l.time)
	l.site = newSite(t)
	for _, c := range lossChannels() {
		for range c.subscribers {
			l.newSubscriber(c.name)
		}
	}
	l.troubles = newTroubles(l.site, l.ledger, l.subscribers, l.random(1))
	return l
}

// begin has everybody subscribe, and then publish. They end with the test.
func (l *loss) begin() {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	l.t.Cleanup(func() { cancel(); following.Wait(); l.publishing.Wait() })
	for _, s := range l.subscribers {
		following.Go(func() { s.run(ctx) })
	}
	hubtest.Eventually(l.t, catchUp, func() bool { return len(l.ledger.behind()) == 0 }, "everybody has subscribed")
	l.publish(ctx)
	l.started, l.progressed = time.Now(), time.Now()
}

func (l *loss) newSubscriber(channel string) {
	n := len(l.subscribers)
	s := &lossSubscriber{journal: l.ledger.journal(fmt.Sprint("subscriber ", n), channel), site: l.site, number: n, rng: l.random(1000 + n)}
	l.subscribers = append(l.subscribers, s)
}

// publish starts the publishers.
func (l *loss) publish(ctx context.Context) {
	work, stop := context.WithCancel(ctx)
	l.stop = stop
	number := 0
	for _, c := range lossChannels() {
		for range c.publishers {
			number++
			p := &lossPublisher{ledger: l.ledger, site: l.site, channel: c, number: number, rng: l.random(2000 + number)}
			l.publishing.Go(func() { p.run(ctx, work) })
		}
	}
}

// random returns a source of its own for each user.
func (l *loss) random(user int) *rand.Rand { return rand.New(rand.NewPCG(l.seed, uint64(user))) }

// finish waits until everybody has everything. Nothing is published meanwhile,
// because that could bring to light, and to repair, what is missing at the end.
func (l *loss) finish() {
	l.stop()
	l.publishing.Wait()
	http.DefaultClient.CloseIdleConnections() // a server that stops waits for those that nothing was asked on
	for deadline := time.Now().Add(catchUp); len(l.ledger.behind()) > 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	l.ledger.twice()
	l.lacks()
	l.site.end()
}

// lacks reports the subscribers that did not get everything.
func (l *loss) lacks() {
	behind := l.ledger.behind()
	if len(behind) == 0 {
		return
	}
	l.t.Errorf("in the end %d of %d subscribers lack messages, and nobody told them:", len(behind), len(l.subscribers))
	for _, text := range behind[:min(len(behind), maxBroken)] {
		l.t.Log(text)
	}
}

// report says what was found.
func (l *loss) report() {
	l.t.Log(l)
	if !testing.Verbose() {
		hubtest.Tell(fmt.Sprintf("belfry: %s with seed %d: %s\n", l.t.Name(), l.seed, l))
	}
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	for _, text := range l.ledger.broken {
		l.t.Error(text)
	}
	if l.t.Failed() {
		l.t.Logf("BELFRY_SEED=%d makes the same faults again", l.seed)
	}
}

// progress says now and then how a long run is getting on.
func (l *loss) progress() {
	if time.Since(l.progressed) >= progressEvery {
		l.progressed = time.Now()
		l.t.Logf("%v: %s", time.Since(l.started).Round(time.Second), l)
	}
}

func (l *loss) String() string {
	n, s := l.ledger, l.site.stats
	n.mu.Lock()
	defer n.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d messages acknowledged (%d attempts repeated), %d deliveries to %d subscribers; ",
		n.acknowledged, n.repeated, n.delivered, len(n.journals))
	fmt.Fprintf(&b, "faults: %s; ", l.troubles)
	fmt.Fprintf(&b, "%d connections, %d recoveries of %d messages, %d gaps told of %d messages; ",
		n.connections, n.recoveries, n.recovered, n.told, n.gaps)
	fmt.Fprintf(&b, "%d nodes lived to say that they repaired %d messages, told %d losses, read %d histories, evicted %d clients; %d promises broken",
		s.nodes, s.repaired, s.lost, s.reads, s.evicted, len(n.broken))
	return b.String()
}

// lossSeed is a new one unless BELFRY_SEED is set.
func lossSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("BELFRY_SEED")
	if text == "" {
		return rand.Uint64N(1_000_000)
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("BELFRY_SEED is %q, a whole number is accepted", text)
	}
	return seed
}

func lossDuration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("BELFRY_SOAK")
	if text == "" {
		return lossTime
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < lossTime || d > maxLossTime {
		t.Fatalf("BELFRY_SOAK is %q, %v to %v are accepted", text, lossTime, maxLossTime)
	}
	return d
}
