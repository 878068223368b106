package session

import (
	"container/list"
	"sync"
)

// unreadLook is after how many bytes that were sent to a client, and to nobody else, it
// is looked how much of them it has not read.
const unreadLook = 16 << 10

// unread bounds what waits for all clients together and is made for one of them alone:
// answers, and streams of several channels. What a channel brings is the same for
// all who hear it, however many they are. When there is too much, those go who have
// read nothing for the longest time. A client that reads owes nothing, and stays.
type unread struct {
	most int // bytes; see Limits.Unread

	mu    sync.Mutex // guards what follows, and the debts of sessions
	bytes int
	debts list.List // of *debt, the oldest in front
}

// debt is what waits for one client.
type debt struct {
	bytes  int
	left   func() int // how much of it still does, at most
	giveUp func()
}

// sent notes that a session was sent so many bytes of its own.
func (u *unread) sent(s *Session, n int) {
	if s.unseen.Add(int64(n)) < unreadLook {
		return
	}
	n = int(s.unseen.Swap(0))
	waiting := s.transport.Waiting()
	u.mu.Lock()
	if s.debt == nil && waiting > 0 {
		s.debt = u.debts.PushBack(&debt{left: s.transport.Waiting, giveUp: func() { s.Close(Slow) }})
	}
	if s.debt != nil {
		u.grow(s.debt, n, waiting)
	}
	u.mu.Unlock()
	u.bound()
}

// grow notes that a client for whom so much waits was sent more. One that has read
// all before that begins anew. It runs under the lock.
func (u *unread) grow(e *list.Element, n, waiting int) {
	if waiting <= n {
		u.debts.MoveToBack(e)
	}
	u.set(e, min(waiting, e.Value.(*debt).bytes+n))
}

// settled notes that nothing waits for a session any more.
func (u *unread) settled(s *Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.debt != nil {
		u.remove(s.debt)
		s.debt = nil
	}
}

// HoldAnswer counts an answer of so many bytes that is written to somebody who is no
// session, until release is called, once. When it has waited for too long, giveUp is
// called, which must not block, and not after release.
func (r *Registry) HoldAnswer(bytes int, giveUp func()) (release func()) {
	u := &r.unread
	var mu sync.Mutex // guards released
	released := false
	d := &debt{left: func() int { return bytes }, giveUp: func() {
		mu.Lock()
		defer mu.Unlock()
		if !released {
			giveUp()
		}
	}}
	u.mu.Lock()
	e := u.debts.PushBack(d)
	u.set(e, bytes)
	u.mu.Unlock()
	u.bound()
	return func() {
		mu.Lock()
		released = true
		mu.Unlock()
		u.mu.Lock()
		defer u.mu.Unlock()
		u.remove(e)
	}
}

// set notes how large a debt is. It runs under the lock.
func (u *unread) set(e *list.Element, bytes int) {
	d := e.Value.(*debt)
	u.bytes += bytes - d.bytes
	d.bytes = bytes
}

// remove takes a debt out, and is harmless for one that is out. It runs under the lock.
func (u *unread) remove(e *list.Element) {
	u.set(e, 0)
	u.debts.Remove(e)
}

// bound gives clients up until there is not too much.
func (u *unread) bound() {
	for _, giveUp := range u.over() {
		giveUp()
	}
}

// over returns what gives up those who are too much, but never the newest. First it
// looks who has read meanwhile.
func (u *unread) over() (giveUp []func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bytes <= u.most {
		return nil
	}
	for e := u.debts.Front(); e != nil; e = e.Next() {
		d := e.Value.(*debt)
		u.set(e, min(d.bytes, d.left()))
	}
	for e := u.debts.Front(); e != u.debts.Back() && u.bytes > u.most; e = e.Next() {
		if d := e.Value.(*debt); d.bytes > 0 {
			giveUp = append(giveUp, d.giveUp)
			u.set(e, 0)
		}
	}
	return giveUp
}
