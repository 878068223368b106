package load

import "context"

// schedule is when messages are due: message k at start + k × interval.
type schedule struct {
	start    int64   // nanoseconds on the clock of the run
	interval float64 // nanoseconds
	total    int
	warm     bool // the messages are not counted
}

func (s *schedule) due(k int) int64 { return s.start + int64(float64(k)*s.interval) }

// maxBatch is how many messages are sent in one write.
const maxBatch = 64

// publisher sends its share of a schedule, each message when it is due. Those
// that are due at the same time, or overdue, are sent together.
type publisher struct {
	run   *run
	index int
	path  path
	sent  []uint32 // how many counted messages, by channel
}

// path is how messages get to the server. One goroutine uses it.
type path interface {
	// start stands before the first message, and finish after the last; it
	// waits for the answers that there are.
	start()
	finish() error
	// add adds a message to a batch, and flush sends the batch.
	add(channel int, s stamp)
	flush() error
	// refused is how many messages the server refused, warm ones too, after
	// finish. Reason is why, at any time; it may be empty.
	refused(channel int) uint32
	reason() string
	close()
}

func (p *publisher) publish(ctx context.Context, s *schedule) error {
	p.path.start()
	err := p.send(ctx, s)
	if failed := p.path.finish(); failed != nil {
		return failed // the cause of the other
	}
	return err
}

func (p *publisher) send(ctx context.Context, s *schedule) error {
	for k := p.index; k < s.total; {
		if err := p.run.sleepUntil(ctx, s.due(k)); err != nil {
			return err
		}
		now := p.run.clock()
		for n := 0; n < maxBatch && k < s.total && s.due(k) <= now; n++ {
			p.add(k%p.run.Channels, s.due(k), s.warm)
			k += p.run.Publishers
		}
		if err := p.path.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) add(channel int, due int64, warm bool) {
	s := stamp{publisher: p.index, due: due}
	if !warm {
		p.sent[channel]++
		s.number = p.sent[channel]
	}
	p.path.add(channel, s)
}
