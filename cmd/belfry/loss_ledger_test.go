package main

import (
	"fmt"
	"sync"
	"time"
)

// ledger is where publishers and subscribers write down what happened, and what
// finds out that a promise was broken. Its methods, and those of its journals,
// are safe for several goroutines.
type ledger struct {
	mu       sync.Mutex // guards what follows, and the journals
	channels map[string]*record
	journals []*journal
	broken   []string // promises, at most maxBroken

	replaced time.Time // when Redis was last replaced by one that has less; zero: never

	acknowledged int // messages
	repeated     int // publishes without an answer that were done again
	delivered    int // messages, over all subscribers, recovered ones included
	connections  int // of subscribers
	recoveries   int // subscriptions that were made up to date
	recovered    int // messages that they brought
	told         int // subscriptions that were told of a gap
	gaps         int // messages in these gaps
}

// maxBroken bounds how many broken promises are reported one by one.
const maxBroken = 20

// record is what is known of one channel.
type record struct {
	epoch     string                // the newest
	runs      map[string]*numbering // by epoch
	forgetful bool                  // its history is too short for an outage
}

// numbering is what is known of one run of a channel's numbering.
type numbering struct {
	ids map[uint64]string // of the messages, by offset
	end uint64            // the last offset
}

// journal is one subscriber's part of the ledger. Its channel's messages have to
// come one after the other, from where it began, and only a gap that it was told
// of is excused.
type journal struct {
	ledger  *ledger
	name    string // of the subscriber
	channel string
	began   bool
	epoch   string
	last    uint64 // offset of the last message it has or was told to do without
}

func newLedger(channels ...lossChannel) *ledger {
	l := &ledger{channels: make(map[string]*record)}
	for _, c := range channels {
		l.channels[c.name] = &record{runs: make(map[string]*numbering), forgetful: c.forgetful}
	}
	return l
}

func (l *ledger) journal(name, channel string) *journal {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := &journal{ledger: l, name: name, channel: channel}
	l.journals = append(l.journals, j)
	return j
}

// count adds to one of the ledger's numbers.
func (l *ledger) count(number *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*number++
}

// breaks notes a broken promise.
func (l *ledger) breaks(format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(format, a...)
}

// note runs under the lock.
func (l *ledger) note(format string, a ...any) {
	if len(l.broken) < maxBroken {
		l.broken = append(l.broken, fmt.Sprintf(format, a...))
	}
}

// acknowledge writes down that the server took a message.
func (l *ledger) acknowledge(channel, epoch string, offset uint64, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged++
	l.saw(channel, epoch, offset, id)
}

// saw notes which message has an offset, whoever says so first, and compares
// with it what others say. It runs under the lock.
func (l *ledger) saw(channel, epoch string, offset uint64, id string) {
	r := l.enter(channel, epoch)
	if known, ok := r.ids[offset]; ok && known != id {
		l.note("%s: message %d is %q for one and %q for another", channel, offset, known, id)
	}
	r.ids[offset], r.end = id, max(r.end, offset)
}

// mayBegin is how long after Redis was replaced epochs may begin: until the last node
// has come back that knows what is lost.
const mayBegin = 30 * time.Second

// replace notes that Redis is going to be replaced by one that has less.
func (l *ledger) replace() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replaced = time.Now()
}

// enter returns what is known of an epoch, of which there is one until Redis is
// replaced. It runs under the lock.
func (l *ledger) enter(channel, epoch string) *numbering {
	r := l.channels[channel]
	if known := r.runs[epoch]; known != nil {
		return known
	}
	if r.epoch != "" && time.Since(l.replaced) > mayBegin {
		l.note("%s: the epoch was %q and is %q now", channel, r.epoch, epoch)
	}
	r.epoch, r.runs[epoch] = epoch, &numbering{ids: make(map[uint64]string)}
	return r.runs[epoch]
}

// twice notes messages that were published twice. It is called at the end.
func (l *ledger) twice() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, r := range l.channels {
		for _, n := range r.runs {
			for id, twice := range n.twice() {
				l.note("%s: %q was published twice, as %d and %d", name, id, twice[0], twice[1])
			}
		}
	}
}

// last is the last offset.
func (r *numbering) last() uint64 {
	if r == nil {
		return 0
	}
	return r.end
}

// twice returns messages that have two offsets. What was lost with one epoch may be
// published again in the next.
func (r *numbering) twice() map[string][2]uint64 {
	offsets, found := make(map[string]uint64), make(map[string][2]uint64)
	for offset, id := range r.ids {
		if other, ok := offsets[id]; ok {
			found[id] = [2]uint64{other, offset}
		}
		offsets[id] = offset
	}
	return found
}

// behind returns which subscribers do not have all messages of their channels
// yet.
func (l *ledger) behind() (names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, j := range l.journals {
		r := l.channels[j.channel]
		if newest := r.runs[r.epoch]; !j.began || j.epoch != r.epoch || j.last < newest.last() {
			names = append(names, fmt.Sprintf("%s of %s has up to %d of %d, in epoch %q of %q", j.name, j.channel, j.last, newest.last(), j.epoch, r.epoch))
		}
	}
	return names
}

// position is where to recover from, and false before the first subscription.
func (j *journal) position() (epoch string, offset uint64, ok bool) {
	j.ledger.mu.Lock()
	defer j.ledger.mu.Unlock()
	return j.epoch, j.last, j.began
}

// begin is the first subscription.
func (j *journal) begin(epoch string, offset uint64) {
	j.ledger.mu.Lock()
	defer j.ledger.mu.Unlock()
	j.began, j.epoch, j.last = true, epoch, offset
	j.ledger.enter(j.channel, epoch)
}

// recover is a subscription that brings so many messages first.
func (j *journal) recover(messages int) {
	j.ledger.mu.Lock()
	defer j.ledger.mu.Unlock()
	j.ledger.recoveries++
	j.ledger.recovered += messages
}

// deliver takes a message.
func (j *journal) deliver(offset uint64, id string) {
	l := j.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case offset <= j.last:
		l.note("%s of %s got message %d (%q) after %d", j.name, j.channel, offset, id, j.last)
	case offset > j.last+1:
		l.note("%s of %s got message %d (%q) after %d: %d are missing and nobody said so", j.name, j.channel, offset, id, j.last, offset-j.last-1)
	}
	l.delivered++
	l.saw(j.channel, j.epoch, offset, id)
	j.last = max(j.last, offset)
}

// tell is a subscription that says that messages are lost, up to a new position.
func (j *journal) tell(epoch string, offset uint64) {
	l := j.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.channels[j.channel]
	l.enter(j.channel, epoch)
	l.told++
	if epoch != j.epoch { // which it began to miss nobody knows
		j.epoch, j.last = epoch, offset
		return
	}
	switch {
	case offset < j.last:
		l.note("%s of %s is sent back from %d to %d", j.name, j.channel, j.last, offset)
	case !r.forgetful:
		l.note("%s of %s is told that %d to %d are lost, but the history holds them", j.name, j.channel, j.last+1, offset)
	}
	l.gaps += int(offset - min(offset, j.last))
	j.last = max(j.last, offset)
}
