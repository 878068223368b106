package load

import (
	"cmp"
	"time"
)

// report adds up while the connections are open: those that the server has ended
// are told apart from those that we end. What stalled is added by endStall.
func (r *run) report(took time.Duration, m *meter) *Report {
	sum := r.tallies.sum()
	rep := &Report{
		Protocol: r.Protocol, Transport: cmp.Or(r.Transport, WebSocket), Subscribers: r.Subscribers, Channels: r.Channels, Publishers: r.Publishers, Size: r.Size,
		Delivered: sum.delivered, Duplicated: sum.duplicated, OutOfOrder: sum.late,
		Seconds: took.Seconds(), CloseCodes: r.closeCodes(), Connect: r.connectLatency(),
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

// connectLatency is of all subscribers, also of those that stall.
func (r *run) connectLatency() *Latency {
	h := newHistogram()
	for _, s := range r.subscribers {
		record(h, s.opened)
	}
	return newLatency(h)
}

// reportMessages is about what was published and what came of it. A message that was
// refused was given a number all the same, and is missing everywhere: it is refused,
// and not lost.
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

// reportServer is about the server's process, between the first counted message and
// the last delivery. Its time is spread over all deliveries, also to those that join
// and leave.
func (r *run) reportServer(rep *Report, m *meter) *Server {
	connections := float64(r.connections())
	s := &Server{
		CPUSeconds:    (m.end.CPU - m.begin.CPU).Seconds(),
		CPUPerConnect: (m.opened.CPU - m.before.CPU).Seconds() * 1e6 / connections,
		MemoryBefore:  m.before.Memory, Memory: m.end.Memory, MemoryPeak: m.end.MemoryPeak,
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
