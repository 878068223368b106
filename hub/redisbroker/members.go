package redisbroker

import (
	"slices"
	"sync"

	"belfry/hub"
)

// memberKey names a client of this node on a channel.
type memberKey struct{ channel, client string }

// member is a client of this node on a channel: what should be in Redis, and how
// far Redis has got with it.
type member struct {
	refs   int            // joins that were not taken back
	info   hub.ClientInfo // what the newest join said
	leave  bool           // Redis has to be told of a leave first
	asked  bool           // something was sent, so that Redis may have it
	told   bool           // the nodes have been told of the join
	lost   bool           // told, but Redis may have lost it
	queued bool           // it is in the queue
	waits  []chan error   // of joins; each has room for one
}

// members are all of this node. Each change goes into a queue, from which the
// presence keeper takes many at a time.
type members struct {
	mu      sync.Mutex // guards what follows
	all     map[memberKey]*member
	queue   []memberKey
	refused []memberKey   // queued again by retry
	doubted bool          // Redis was away: it may not have what it had
	wake    chan struct{} // holds a token when there is something to do
}

// change is what Redis is to be told of one member.
type change struct {
	memberKey
	info  hub.ClientInfo
	leave bool // it left
	force bool // tell of the leave also when Redis does not know the member
	join  bool // and then it joined
	quiet bool // without telling of it
	waits []chan error
}

// newMembers returns members of whom there are none.
func newMembers() members {
	return members{all: make(map[memberKey]*member), wake: make(chan struct{}, 1)}
}

// join adds a client. The returned Go channel brings what came of it; it is nil
// when there is nothing to do.
func (s *members) join(channel string, c hub.ClientInfo) <-chan error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := memberKey{channel, c.Client}
	m := s.all[key]
	if m == nil {
		m = &member{}
		s.all[key] = m
	}
	m.refs++
	if m.refs > 1 && equal(m.info, c) && m.told && !m.queued {
		return nil
	}
	m.info = c
	done := make(chan error, 1)
	m.waits = append(m.waits, done)
	s.note(key, m)
	return done
}

// leave takes back one join. A client that Redis never heard of is forgotten.
func (s *members) leave(channel, client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := memberKey{channel, client}
	m := s.all[key]
	if m == nil || m.refs == 0 {
		return
	}
	if m.refs--; m.refs > 0 {
		return
	}
	if !m.asked {
		s.forget(key, m)
		return
	}
	m.leave = true
	s.note(key, m)
}

// forget drops a member. It runs under the lock.
func (s *members) forget(key memberKey, m *member) {
	delete(s.all, key)
	finish(m.waits, nil)
}

// note queues a member. It runs under the lock.
func (s *members) note(key memberKey, m *member) {
	if !m.queued {
		m.queued = true
		s.queue = append(s.queue, key)
	}
	if len(s.queue) > 2*len(s.all)+memberBatch {
		s.compact()
	}
	s.ring()
}

// compact drops the keys of members that were forgotten, so that those who come
// and go while Redis is away do not pile up. It runs under the lock.
func (s *members) compact() {
	seen := make(map[memberKey]struct{}, len(s.all))
	s.queue = slices.DeleteFunc(s.queue, func(key memberKey) bool {
		_, twice := seen[key]
		seen[key] = struct{}{}
		m := s.all[key]
		return twice || m == nil || !m.queued
	})
}

// ring wakes the keeper.
func (s *members) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns the next changes, at most n, in the order in which the members
// were queued.
func (s *members) take(n int) (changes []change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && len(changes) < n {
		key := s.queue[0]
		s.queue = s.queue[1:]
		m := s.all[key]
		if m == nil || !m.queued {
			continue // forgotten meanwhile
		}
		changes = append(changes, m.change(key))
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
	return changes
}

// change takes what Redis is to be told.
func (m *member) change(key memberKey) change {
	c := change{
		memberKey: key, info: m.info,
		leave: m.leave, force: m.leave && m.lost, join: m.refs > 0, quiet: m.told && !m.leave,
		waits: m.waits,
	}
	m.queued, m.leave, m.asked, m.waits = false, false, true, nil
	return c
}

// done notes that Redis has a change.
func (s *members) done(c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.all[c.memberKey]
	m.told, m.lost = c.join, false
	if m.refs == 0 && !m.leave {
		s.forget(c.memberKey, m)
	}
	finish(c.waits, nil)
}

// undone takes back a change of which it is not known that Redis has it. Those
// who wait for it are told the error, or wait on when there is none.
func (s *members) undone(c change, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.all[c.memberKey]
	m.leave = m.leave || c.leave
	s.note(c.memberKey, m)
	if err == nil {
		m.waits = append(c.waits, m.waits...)
		return
	}
	finish(c.waits, err)
}

// refuse is like undone for a change that Redis has refused, and may refuse again:
// it waits for retry, so that it does not hold others up.
func (s *members) refuse(c change, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.all[c.memberKey]
	m.leave = m.leave || c.leave
	s.refused = append(s.refused, c.memberKey)
	finish(c.waits, err)
}

// retry queues again what Redis has refused.
func (s *members) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.refused {
		if m := s.all[key]; m != nil {
			s.note(key, m)
		}
	}
	s.refused = nil
}

// finish tells those who wait for a change what has come of it.
func finish(waits []chan error, err error) {
	for _, w := range waits {
		w <- err
	}
}

// doubt has the keeper find out, before all else, what Redis still has.
func (s *members) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubted = true
	s.ring()
}

// takeDoubt reports whether there is a doubt, and ends it.
func (s *members) takeDoubt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	doubted := s.doubted
	s.doubted = false
	return doubted
}

// lose queues every member again, because Redis may have lost them. Nobody is told
// of those who stay.
func (s *members) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, m := range s.all {
		m.lost = m.told
		s.note(key, m)
	}
}

// reaped queues every member again, because the nodes were told that they have
// all left.
func (s *members) reaped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, m := range s.all {
		m.told, m.lost, m.leave = false, false, false
		if m.refs == 0 {
			s.forget(key, m)
			continue
		}
		s.note(key, m)
	}
}

// stray queues the leave of a client that Redis has and this node has not.
func (s *members) stray(channel, client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := memberKey{channel, client}
	if s.all[key] == nil {
		m := &member{asked: true, leave: true}
		s.all[key] = m
		s.note(key, m)
	}
}
