package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"belfry/hub/hubtest"
)

// troubles makes faults at random. Several last at the same time, but no two of
// one thing.
type troubles struct {
	site        *site
	ledger      *ledger
	subscribers []*lossSubscriber
	rng         *rand.Rand
	counts      map[string]int      // faults by kind
	lasting     map[string]*trouble // by what they concern
}

// trouble is a fault that lasts.
type trouble struct {
	until time.Time
	end   func()
}

// troubleKinds are the faults there are. Each begins one and says what it
// concerns, for how long, and how it ends.
var troubleKinds = []struct {
	name  string
	begin func(*troubles) (of string, last time.Duration, end func())
}{
	{"long stalls", (*troubles).stallLong},
	{"instances killed", (*troubles).kill},
	{"instances stopped", (*troubles).stop},
	{"Redis restarts", (*troubles).restartRedis},
	{"older copies put back", (*troubles).putBack},
	{"lagging replicas promoted", (*troubles).promote},
	{"Redis cuts", (*troubles).cutRedis},
	{"client cuts", (*troubles).cutClients},
	{"short stalls", (*troubles).stallShort},
}

func newTroubles(s *site, l *ledger, subscribers []*lossSubscriber, rng *rand.Rand) *troubles {
	return &troubles{s, l, subscribers, rng, make(map[string]int), make(map[string]*trouble)}
}

// moreTime is how much longer than asked faults may be made, until there were
// enough.
const moreTime = hubtest.Patience

// run makes faults for a time, every kind about as often as the others, goes on
// until that was enough, and ends them all. The first is a long stall, so that it
// has its time in a short run, too.
func (x *troubles) run(d time.Duration, enough func() bool, report func()) {
	end := time.Now().Add(d)
	for order := []int{0}; time.Now().Before(end) || !enough() && time.Now().Before(end.Add(moreTime)); report() {
		if len(order) == 0 {
			order = x.rng.Perm(len(troubleKinds))
		}
		x.begin(order[0])
		order = order[1:]
		x.wait(randomTime(x.rng, 100*time.Millisecond, 900*time.Millisecond))
	}
	x.finish(time.Now().Add(time.Hour))
}

// begin begins a fault of a kind, if what it concerns is free.
func (x *troubles) begin(kind int) {
	of, last, end := troubleKinds[kind].begin(x)
	if of == "" {
		return
	}
	x.counts[troubleKinds[kind].name]++
	x.lasting[of] = &trouble{time.Now().Add(last), end}
}

// wait ends the faults whose time is over while it waits.
func (x *troubles) wait(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		x.finish(time.Now())
	}
}

// finish ends the faults that last until before a time.
func (x *troubles) finish(now time.Time) {
	for _, of := range slices.Sorted(maps.Keys(x.lasting)) {
		if l := x.lasting[of]; l.until.Before(now) {
			delete(x.lasting, of)
			l.end()
		}
	}
}

// free reports whether no fault concerns a thing.
func (x *troubles) free(of string) bool { return x.lasting[of] == nil }

func (x *troubles) String() string {
	var parts []string
	for _, k := range troubleKinds {
		parts = append(parts, fmt.Sprintf("%d %s", x.counts[k.name], k.name))
	}
	return strings.Join(parts, ", ")
}

// place picks one of the nodes' places.
func (x *troubles) place() (p *place, of string) {
	i := x.rng.IntN(len(x.site.places))
	return x.site.places[i], fmt.Sprint("node ", i)
}

func (x *troubles) kill() (string, time.Duration, func()) {
	p, of := x.place()
	last := randomTime(x.rng, 50*time.Millisecond, 800*time.Millisecond)
	if !x.free(of) {
		return "", 0, nil
	}
	x.site.kill(p)
	return of, last, func() { x.site.start(p) }
}

// stop is what an upgrade does: clients are sent away and come back.
func (x *troubles) stop() (string, time.Duration, func()) {
	p, of := x.place()
	last := randomTime(x.rng, 500*time.Millisecond, 1200*time.Millisecond)
	if !x.free(of) {
		return "", 0, nil
	}
	x.site.close(p)
	p.node.signal(syscall.SIGTERM)
	return of, last, func() { x.site.stop(p); x.site.start(p) }
}

func (x *troubles) restartRedis() (string, time.Duration, func()) {
	last := randomTime(x.rng, 10*time.Millisecond, 800*time.Millisecond)
	if !x.free("redis") {
		return "", 0, nil
	}
	x.site.redis.Stop()
	return "redis", last, func() { x.site.redis.Start() }
}

// putBack copies what Redis has, and later puts that back: what was acknowledged
// meanwhile is lost.
func (x *troubles) putBack() (string, time.Duration, func()) {
	last := randomTime(x.rng, 300*time.Millisecond, 1500*time.Millisecond)
	if !x.free("redis") {
		return "", 0, nil
	}
	from := x.site.redis.Copy()
	return "redis", last, func() {
		x.ledger.replace()
		x.site.redis.Stop()
		x.site.redis.PutBack(from)
		x.site.redis.Start()
	}
}

// promote has a replica take over that followed up to a while before.
func (x *troubles) promote() (string, time.Duration, func()) {
	last := randomTime(x.rng, 300*time.Millisecond, 1500*time.Millisecond)
	if !x.free("redis") {
		return "", 0, nil
	}
	x.site.follow()
	return "redis", last, func() {
		x.ledger.replace()
		x.site.moveToSpare()
	}
}

// cutRedis cuts one node off from Redis, for a moment or longer.
func (x *troubles) cutRedis() (string, time.Duration, func()) {
	p, of := x.place()
	of = "link of " + of
	last := randomTime(x.rng, 0, 1200*time.Millisecond)
	if !x.free(of) {
		return "", 0, nil
	}
	p.redis.Refuse(last > 300*time.Millisecond)
	p.redis.Cut()
	return of, last, func() { p.redis.Refuse(false) }
}

// cutClients cuts the connections of about an eighth of the clients, and of
// publishers.
func (x *troubles) cutClients() (string, time.Duration, func()) {
	p, of := x.place()
	p.fronts[x.rng.IntN(frontsEach)].Cut()
	return "clients of " + of, 0, func() {}
}

// stallShort keeps some subscribers from reading, but not long enough to be sent
// away.
func (x *troubles) stallShort() (string, time.Duration, func()) {
	for range 20 {
		s := x.subscribers[x.rng.IntN(len(x.subscribers))]
		if s.stalled.Load() < time.Now().UnixNano() {
			s.stall(randomTime(x.rng, 50*time.Millisecond, 800*time.Millisecond))
		}
	}
	return "readers", 0, func() {}
}

// stallLong keeps half of those who follow the channel with large messages from
// reading until the server has had enough of it, and a few others.
func (x *troubles) stallLong() (string, time.Duration, func()) {
	if !x.free("slow readers") {
		return "", 0, nil
	}
	last := randomTime(x.rng, 4*time.Second, 6*time.Second)
	var slow []*lossSubscriber
	for _, s := range x.subscribers {
		if s.channel == "large" && len(slow) < 4 || x.rng.IntN(50) == 0 {
			s.stall(last)
			slow = append(slow, s)
		}
	}
	return "slow readers", last, func() {
		for _, s := range slow {
			s.stall(0)
		}
	}
}
