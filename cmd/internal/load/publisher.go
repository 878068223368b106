package load

import "context"

// maxBatch is how many messages are sent in one write.
const maxBatch = 64

// publisher sends its share of a schedule, each message when it is due. Those
// that are due at the same time, or overdue, are sent together.
type publisher struct {
	clock clock
	index int // among all
	all   int // how many publishers there are
	path  path
	sent  []uint32 // how many counted messages, by channel
}

// newPublisher has sent nothing yet. Publishers of a run differ in their index.
func newPublisher(c clock, index, publishers, channels int, p path) *publisher {
	return &publisher{clock: c, index: index, all: publishers, path: p, sent: make([]uint32, channels)}
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

// publish sends every message of a schedule that is this publisher's, and returns
// when all have their answers, or after an error.
func (p *publisher) publish(ctx context.Context, s *schedule) error {
	p.path.start()
	err := p.send(ctx, s)
	if failed := p.path.finish(); failed != nil {
		return failed // the cause of the other
	}
	return err
}

// send sends every message that is this publisher's, beginning with the one of its
// index: the next is as far on as there are publishers. After a sleep it sends what
// is due by then, in batches.
func (p *publisher) send(ctx context.Context, s *schedule) error {
	for k := p.index; k < s.total; {
		if err := p.clock.sleepUntil(ctx, s.due(k)); err != nil {
			return err
		}
		now := p.clock.now()
		for n := 0; n < maxBatch && k < s.total && s.due(k) <= now; n++ {
			p.add(k%len(p.sent), s.due(k), s.warm)
			k += p.all
		}
		if err := p.path.flush(); err != nil {
			return err
		}
	}
	return nil
}

// add numbers a message, unless it only warms up.
func (p *publisher) add(channel int, due int64, warm bool) {
	s := stamp{publisher: p.index, due: due}
	if !warm {
		p.sent[channel]++
		s.number = p.sent[channel]
	}
	p.path.add(channel, s)
}
