package main

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"belfry/cmd/internal/follow"
	"belfry/cmd/internal/load"
	"belfry/cmd/internal/process"
)

// takenBack is how many of all sessions are taken back, so that p99 is of five or more.
const takenBack = 500

// takeBack has users at one instance, and takes some of them back at another by a call
// of the HTTP API that names one in a field.
func takeBack(call, field string) func(context.Context, *programs, variant) (*report, error) {
	return func(ctx context.Context, p *programs, _ variant) (*report, error) {
		p, tokens, err := p.withUsers("HS256", numUsers)
		if err != nil {
			return nil, err
		}
		c, err := p.startCluster(ctx, 2)
		defer c.stop()
		if err != nil {
			return nil, err
		}
		f, err := follow.Open(ctx, c.nodes[0].endpoint(), slices.Repeat([][]string{{"chat-bench"}}, len(tokens)), tokens...)
		if err != nil {
			return nil, err
		}
		defer f.Leave()
		t := takingBack{followers: f, from: c.nodes[0], all: len(tokens), call: func(i int) error {
			body, err := json.Marshal(map[string]string{field: userID(i)})
			if err != nil {
				return err
			}
			return c.nodes[1].call(ctx, "/api/"+call, body)
		}}
		return t.measure()
	}
}

// takingBack is sessions that are about to be taken back.
type takingBack struct {
	followers *follow.Followers
	from      *server // whose clients they are
	all       int
	call      func(i int) error // takes the i-th back
	took      []float64         // microseconds from each call until the session has ended
}

// measure takes sessions back, one after another. Each counts as a message that has to
// come, and any other session that ends as a fault. That belfry bench has no part in it
// does not matter to those who read the report.
func (t *takingBack) measure() (*report, error) {
	pid, start := t.from.cmd.Process.Pid, time.Now()
	used, err := process.Read(pid)
	if err != nil {
		return nil, err
	}
	for i := range takenBack {
		if err := t.one(i * t.all / takenBack); err != nil {
			return nil, err
		}
	}
	uses, err := process.Read(pid)
	ended := int64(len(t.took))
	r := &report{Report: load.Report{
		Delivered: ended, Lost: takenBack - ended, Closed: int(t.followers.Seen().Closed - ended), Seconds: time.Since(start).Seconds(),
		Server: &load.Server{
			CPUPerDelivery: float64((uses.CPU - used.CPU).Microseconds()) / takenBack,
			Memory:         uses.Memory, MemoryPerConnection: float64(uses.Memory) / float64(t.all),
		},
	}}
	r.DeliveriesPerSecond = float64(ended) / r.Seconds
	r.Latency = latencyOf(t.took)
	return r, err
}

// one takes the i-th session back and waits until its client has seen the end of it, which
// comes before the call is answered or after.
func (t *takingBack) one(i int) error {
	start := time.Now()
	if err := t.call(i); err != nil {
		return err
	}
	select {
	case <-t.followers.Ended(i):
		t.took = append(t.took, float64(time.Since(start).Microseconds()))
	case <-time.After(regainWait):
	}
	return nil
}

// latencyOf is the distribution of times in microseconds; nil when there are none.
func latencyOf(times []float64) *load.Latency {
	if len(times) == 0 {
		return nil
	}
	slices.Sort(times)
	at := func(part float64) float64 { return times[int(math.Ceil(part*float64(len(times))))-1] }
	return &load.Latency{P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1)}
}
