package load

import "fmt"

// sum is that of all subscribers, also of those that stall.
func (r *run) sum() counts {
	c, stalled := r.tallies.sum(), r.stalled.sum()
	c.add(&stalled)
	return c
}

// reading are the subscribers that do not stall: what others miss is no loss.
func (r *run) reading() []*subscriber { return r.subscribers[:r.Subscribers-r.Stall] }

// sent is how many counted messages a publisher has sent to a channel. It is right
// when publishing has ended.
func (r *run) sent(publisher, channel int) uint32 { return r.publishers[publisher].sent[channel] }

// refused is how many messages to a channel were refused, warm ones too, when
// publishing has ended.
func (r *run) refused(channel int) (n int64) {
	for _, p := range r.publishers {
		n += int64(p.path.refused(channel))
	}
	return n
}

// deliveries is how many deliveries there are when nothing is refused. The k-th
// message goes to channel k modulo their number.
func (r *run) deliveries() (n int64) {
	for channel := range r.Channels {
		messages := (r.total() - channel + r.Channels - 1) / r.Channels
		n += int64(messages) * r.readersOf(channel)
	}
	return n
}

// expected is how many deliveries there should be of what was sent and accepted.
func (r *run) expected() (n int64) {
	for channel := range r.Channels {
		accepted := -r.refused(channel)
		for p := range r.publishers {
			accepted += int64(r.sent(p, channel))
		}
		n += accepted * r.readersOf(channel)
	}
	return n
}

// readersOf is how many subscribers of a channel do not stall. The i-th subscriber
// has channel i modulo their number, so the first channels may have one more.
func (r *run) readersOf(channel int) int64 {
	return int64((len(r.reading()) - channel + r.Channels - 1) / r.Channels)
}

// closeCodes counts the connections that the server has ended by their codes; 0
// stands for those without a close frame. It may be called at any time.
func (r *run) closeCodes() map[int]int {
	codes := make(map[int]int)
	for _, s := range r.reading() {
		if s.gone.Load() {
			codes[int(s.code.Load())]++
		}
	}
	return codes
}

// refusal is why messages are refused; nil when none is known.
func (r *run) refusal() error {
	for _, p := range r.publishers {
		if reason := p.path.reason(); reason != "" {
			return fmt.Errorf("publishing is refused: %s", reason)
		}
	}
	return nil
}
