package load

import (
	"cmp"
	"time"
)

// Report is what came of a run.
type Report struct {
	Protocol    Protocol  `json:"protocol"`
	Transport   Transport `json:"transport"`
	Subscribers int       `json:"subscribers"`
	Channels    int       `json:"channels"`
	Publishers  int       `json:"publishers"`
	Size        int       `json:"size_bytes"`
	Rate        float64   `json:"rate"` // messages a second that were asked for; 0: none

	Published int64  `json:"published"`         // messages that were accepted
	Refused   int64  `json:"refused"`           // messages that were not
	Refusal   string `json:"refusal,omitempty"` // why

	Expected   int64 `json:"expected"` // deliveries
	Delivered  int64 `json:"delivered"`
	Lost       int64 `json:"lost"`
	Duplicated int64 `json:"duplicated"`
	OutOfOrder int64 `json:"out_of_order"`
	// Closed is how many connections the server has ended, and CloseCodes how
	// many by each code; 0 stands for no close frame.
	Closed     int         `json:"closed"`
	CloseCodes map[int]int `json:"close_codes,omitempty"`

	Seconds             float64  `json:"seconds"` // to the last delivery
	DeliveriesPerSecond float64  `json:"deliveries_per_second"`
	Latency             *Latency `json:"latency,omitempty"`
	Stalled             *Stalled `json:"stalled,omitempty"`
	Churn               *Churn   `json:"churn,omitempty"`
	Server              *Server  `json:"server,omitempty"`
}

// Churn is how joining and leaving went. What is counted is for the time between
// a join and the next leave.
type Churn struct {
	Connections int   `json:"connections"`
	Joins       int64 `json:"joins"`
	Leaves      int64 `json:"leaves"`
	Refused     int64 `json:"refused"`
	Skipped     int64 `json:"skipped"` // was due while the command before had no answer
	Delivered   int64 `json:"delivered"`
	Lost        int64 `json:"lost"`
	Duplicated  int64 `json:"duplicated"`
	OutOfOrder  int64 `json:"out_of_order"`
	Stray       int64 `json:"stray"` // messages before a join's answer or after a leave's

	Join *Latency `json:"join_latency,omitempty"` // from a join to its answer
}

// Server is what the server's process used.
type Server struct {
	CPUSeconds          float64 `json:"cpu_seconds"`
	CPUPerDelivery      float64 `json:"cpu_per_delivery_us,omitempty"`
	CPUPerConnection    float64 `json:"cpu_per_connection_us_per_s"`
	MemoryBefore        int64   `json:"memory_before_bytes"` // without connections
	Memory              int64   `json:"memory_bytes"`
	MemoryPeak          int64   `json:"memory_peak_bytes"`
	MemoryPerConnection float64 `json:"memory_per_connection_bytes"`
}

// OK reports whether something was done and every message came once, in order.
func (r *Report) OK() bool {
	faults := r.Lost + r.Duplicated + r.OutOfOrder + r.Refused + int64(r.Closed)
	if c := r.Churn; c != nil {
		faults += c.Lost + c.Duplicated + c.OutOfOrder + c.Stray + c.Refused
	}
	return faults == 0 && (r.Delivered > 0 || r.Rate == 0)
}

// report adds up while the connections are open.
func (r *run) report(took time.Duration, m *meter) *Report {
	sum := r.tallies.sum()
	rep := &Report{
		Protocol: r.Protocol, Transport: cmp.Or(r.Transport, WebSocket), Subscribers: r.Subscribers, Channels: r.Channels, Publishers: r.Publishers, Size: r.Size,
		Delivered: sum.delivered, Duplicated: sum.duplicated, OutOfOrder: sum.late,
		Seconds: took.Seconds(), CloseCodes: r.closeCodes(),
	}
	for _, n := range rep.CloseCodes {
		rep.Closed += n
	}
	if !r.idle() {
		r.reportMessages(rep)
	}
	if len(r.churn.members) > 0 {
		rep.Churn = r.churn.report()
	}
	if r.PID != 0 {
		rep.Server = r.reportServer(rep, m)
	}
	return rep
}

func (r *run) reportMessages(rep *Report) {
	rep.Rate = r.Rate
	rep.Expected = r.expected()
	rep.DeliveriesPerSecond = float64(rep.Delivered) / rep.Seconds
	rep.Latency = newLatency(r.tallies.latency())
	for _, p := range r.publishers {
		for channel, sent := range p.sent {
			rep.Published += int64(sent)
			rep.Refused += int64(p.path.refused(channel))
		}
		if rep.Refusal == "" {
			rep.Refusal = p.path.reason()
		}
	}
	rep.Published -= rep.Refused
	for _, s := range r.reading() {
		s.tally.mu.Lock()
		lost := s.lost(r.sent)
		s.tally.mu.Unlock()
		rep.Lost += max(0, lost-r.refused(s.channel))
	}
}

func (r *run) reportServer(rep *Report, m *meter) *Server {
	connections := float64(r.connections())
	s := &Server{
		CPUSeconds:   (m.end.CPU - m.begin.CPU).Seconds(),
		MemoryBefore: m.before.Memory, Memory: m.end.Memory, MemoryPeak: m.end.MemoryPeak,
		MemoryPerConnection: float64(m.end.Memory-m.before.Memory) / connections,
	}
	s.CPUPerConnection = s.CPUSeconds * 1e6 / rep.Seconds / connections
	delivered := rep.Delivered
	if rep.Churn != nil {
		delivered += rep.Churn.Delivered
	}
	if delivered > 0 {
		s.CPUPerDelivery = s.CPUSeconds * 1e6 / float64(delivered)
	}
	return s
}

// reading are the subscribers that do not stall.
func (r *run) reading() []*subscriber { return r.subscribers[:r.Subscribers-r.Stall] }

// sent is how many counted messages a publisher has sent to a channel.
func (r *run) sent(publisher, channel int) uint32 { return r.publishers[publisher].sent[channel] }

// refused is how many messages to a channel were refused.
func (r *run) refused(channel int) (n int64) {
	for _, p := range r.publishers {
		n += int64(p.path.refused(channel))
	}
	return n
}

// deliveries is how many deliveries there are when nothing is refused.
func (r *run) deliveries() (n int64) {
	for channel := range r.Channels {
		messages := (r.total() - channel + r.Channels - 1) / r.Channels
		n += int64(messages) * r.followers(channel)
	}
	return n
}

// expected is how many deliveries there should be of what was sent.
func (r *run) expected() (n int64) {
	for channel := range r.Channels {
		accepted := -r.refused(channel)
		for p := range r.publishers {
			accepted += int64(r.sent(p, channel))
		}
		n += accepted * r.followers(channel)
	}
	return n
}

// followers is how many subscribers of a channel do not stall.
func (r *run) followers(channel int) int64 {
	return int64((len(r.reading()) - channel + r.Channels - 1) / r.Channels)
}

// closeCodes counts the connections that the server has ended by their codes.
func (r *run) closeCodes() map[int]int {
	codes := make(map[int]int)
	for _, s := range r.reading() {
		if s.gone.Load() {
			codes[int(s.code.Load())]++
		}
	}
	return codes
}

// report adds up what all members of the churn have counted.
func (c *churn) report() *Churn {
	rep := &Churn{Connections: len(c.members), Skipped: c.skipped}
	latency := newHistogram()
	for _, m := range c.members {
		m.mu.Lock()
		m.settle(false) // ends the last stay
		rep.Joins += m.joins
		rep.Leaves += m.leaves
		rep.Refused += m.refused
		rep.Delivered += m.delivered
		rep.Lost += m.lost
		rep.Duplicated += m.duplicated
		rep.OutOfOrder += m.late
		rep.Stray += m.stray
		latency.Merge(m.joinLatency)
		m.mu.Unlock()
	}
	rep.Join = newLatency(latency)
	return rep
}
