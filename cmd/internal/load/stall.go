package load

import "time"

// evictionWait is how long a connection that stopped reading is read afterwards,
// to see whether the server has ended it. What the kernel has kept is read first.
const evictionWait = 2 * time.Second

// goOn lets those that stopped reading read again. A second call is harmless.
func (r *run) goOn() { r.resumed.Do(func() { close(r.resume) }) }

// endStall finds out which of the stalled subscribers the server has evicted: it lets
// them read what there is, until the end of the connection or for evictionWait.
func (r *run) endStall(report *Report) {
	if r.Stall == 0 {
		return
	}
	stalled := r.subscribers[r.Subscribers-r.Stall:]
	for _, s := range stalled {
		s.conn.SetDeadline(time.Now().Add(evictionWait)) // ends reading in any case
	}
	r.goOn()
	report.Stalled = &Stalled{Subscribers: r.Stall, CloseCodes: make(map[int]int)}
	for _, s := range stalled {
		<-s.ended
		if s.gone.Load() {
			report.Stalled.Evicted++
		}
		if code := s.code.Load(); code != 0 {
			report.Stalled.CloseCodes[int(code)]++
		}
	}
}
