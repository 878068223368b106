package hub

import (
	"slices"
	"time"
)

// A join or a leave goes to everybody on its channel, so that a thousand who come cost
// as much as a million messages. They are told at once while that is not much, and
// otherwise together, once in changesEvery: what has changed in the end. Those who came
// and went meanwhile are left out, then infos for which there is no room, and those for
// whose names there is none have their turn the next time.
const (
	changesEvery = time.Second
	// changesBytes is how many bytes of joins and leaves all subscribers of a channel on
	// a node are told in that time: about 70 joins to each of a hundred.
	changesBytes = 2 << 20
	// changesEach is how many bytes each is told at most where they are so many that
	// their shares are smaller: about 36 names.
	changesEach = 4 << 10
	// changesWhole is of how many clients infos are kept for that.
	changesWhole = 1024
)

// changes are the joins and leaves of a channel on this node. They know nothing of it,
// and are guarded by its lock; see tellsAtOnce.
type changes struct {
	since   time.Time // when the time of changesBytes began
	told    int       // bytes that all subscribers were told at once since then
	order   []string  // clients that wait to be told of, and those who did
	waiting map[string]*change
}

// change is what has become of a client of whom it was not told yet. Both are nil when
// that is nothing.
type change struct {
	left   *Message // of one of whom it was told that it is there
	joined *Message // of one who is there now
}

// atOnce reports whether a join or a leave may be told at once, which costs so many
// bytes. Otherwise it is to be added, behind those that wait.
func (s *changes) atOnce(cost int) bool {
	if len(s.order) > 0 {
		return false
	}
	if now := time.Now(); now.Sub(s.since) >= changesEvery {
		s.since, s.told = now, 0
	}
	s.told += cost
	return s.told <= changesBytes
}

// next is when the first that waits is to be told.
func (s *changes) next() time.Time { return s.since.Add(changesEvery) }

// add notes a join or a leave, and reports whether it is the first that waits.
func (s *changes) add(m *Message) (first bool) {
	first = len(s.order) == 0
	if len(s.order) >= changesWhole {
		m = m.withoutInfos()
	}
	id := m.Info.Client
	of := s.waiting[id]
	if of == nil {
		if s.waiting == nil {
			s.waiting = make(map[string]*change)
		}
		of = &change{}
		s.waiting[id], s.order = of, append(s.order, id)
	}
	switch {
	case m.Kind == KindJoin:
		of.joined = m
	case of.joined != nil:
		of.joined = nil // of whom nobody has heard
	default:
		of.left = m
	}
	return first
}

// take returns what so many subscribers are to be told now, and keeps the rest.
func (s *changes) take(subscribers int) (told []*Message) {
	bytes := max(changesEach, changesBytes/max(1, subscribers))
	var rest []string
	for _, id := range s.order {
		of := s.waiting[id]
		names := of.nameSize()
		if len(told) > 0 && names > max(bytes, 0) {
			rest = append(rest, id)
			continue
		}
		bytes -= names
		told = append(told, of.messages()...)
		delete(s.waiting, id)
	}
	s.order = rest
	return withinInfos(told, bytes)
}

// messages are those to tell the change by, none or one or both.
func (c *change) messages() []*Message {
	return slices.DeleteFunc([]*Message{c.left, c.joined}, func(m *Message) bool { return m == nil })
}

// nameSize is how many bytes these have without infos.
func (c *change) nameSize() (size int) {
	for _, m := range c.messages() {
		size += m.Info.nameSize()
	}
	return size
}

// withinInfos leaves the infos out for which there is no room in so many bytes.
func withinInfos(told []*Message, bytes int) []*Message {
	for i, m := range told {
		if size := len(m.Info.ConnInfo) + len(m.Info.ChanInfo); size <= bytes {
			bytes -= size
			continue
		}
		told[i] = m.withoutInfos()
	}
	return told
}

// withoutInfos is a join or a leave that says no more than who it is.
func (m *Message) withoutInfos() *Message {
	return &Message{Kind: m.Kind, Info: &ClientInfo{User: m.Info.User, Client: m.Info.Client}, Time: m.Time, Exclude: m.Exclude}
}
