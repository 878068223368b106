package load

import (
	"sync"
	"time"
)

// progressEvery is how often progress is told.
const progressEvery = 200 * time.Millisecond

// progress tells the user of the package how far a run is. The phases set it; another
// goroutine reads it and calls the user, so that no phase waits for a slow terminal.
type progress struct {
	mu   sync.Mutex // guards what follows
	last Progress
	done func() int64 // nil before the first phase
}

// set begins a phase. It calls done from another goroutine, until the next phase.
func (p *progress) set(phase, unit string, total int64, done func() int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.done = Progress{Phase: phase, Total: total, Unit: unit}, done
}

// get is how far the phase is now; false before the first one.
func (p *progress) get() (Progress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		return Progress{}, false
	}
	p.last.Done = p.done()
	return p.last, true
}

// start calls tell from a goroutine, which stop ends and waits for. Without tell it
// does nothing.
func (p *progress) start(tell func(Progress)) (stop func()) {
	if tell == nil {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if now, ok := p.get(); ok {
					tell(now)
				}
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}
