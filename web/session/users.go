package session

import (
	"maps"
	"slices"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

// list notes whose a client is that stands like this, if that is not noted already. A
// token may have no user, which is one of them here. It runs under the lock.
func (r *Registry) list(st *standing) {
	if st == nil || st.listed {
		return
	}
	all := r.users[st.who.User]
	st.listed, st.place = true, len(all)
	r.users[st.who.User] = append(all, st)
}

// unlist takes it back. It runs under the lock, and is harmless for one that is not
// noted.
func (r *Registry) unlist(st *standing) {
	if st == nil || !st.listed {
		return
	}
	user := st.who.User
	all := r.users[user]
	last := len(all) - 1
	all[st.place] = all[last]
	all[st.place].place = st.place
	all[last] = nil
	st.listed = false
	if r.users[user] = all[:last]; last == 0 {
		delete(r.users, user)
	}
}

// swapped notes that the client of a session has become another.
func (r *Registry) swapped(s *Session, was, now *standing) {
	r.mu.Lock()
	r.unlist(was)
	if r.sessions[s.id] == s && s.standing.Load() == now {
		r.list(now)
	}
	r.mu.Unlock()
	r.reconsider(now)
}

// reconsider has a client leave whose identity counts no more. It is called once the
// client is noted, because that may have been taken back meanwhile.
func (r *Registry) reconsider(st *standing) {
	if st == nil {
		return
	}
	err := r.revoked(st.who)
	switch {
	case err == nil:
	case st.session == nil:
		st.end()
	case fault.From(err).Kind == fault.Denied:
		st.session.Close(Forced)
	default:
		st.session.Close(BadToken)
	}
}

// Reconsider has the clients of a user leave whose identities count no more; of nobody in
// particular, all clients.
func (r *Registry) Reconsider(user string) {
	for _, st := range r.standings(user) {
		r.reconsider(st)
	}
	for _, s := range r.sessionsOf(user) {
		reconsiderSubscriptions(s)
	}
}

// sessionsOf are those of a user; of nobody in particular, all.
func (r *Registry) sessionsOf(user string) []*Session {
	if user != "" {
		return r.candidates(Target{User: user})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.sessions))
}

// reconsiderSubscriptions ends those of a session that were made by tokens which count
// no more, as if they had expired.
func reconsiderSubscriptions(s *Session) {
	var over []*hub.Subscription
	s.mu.Lock()
	for _, sub := range s.subscriptions {
		if d := sub.detail; d != nil && d.token != nil && s.registry.revoked(d.token) != nil {
			over = append(over, sub.Subscription)
		}
	}
	s.mu.Unlock()
	p, ok := s.protocol.(Introducer)
	for _, sub := range over {
		if ok {
			p.Expired(sub)
		}
	}
}

func (r *Registry) standings(user string) (all []*standing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if user != "" {
		return slices.Clone(r.users[user])
	}
	for _, some := range r.users {
		all = append(all, some...)
	}
	return all
}

// Target says which sessions are meant: those that match everything that is given.
type Target struct {
	User   string `json:"user"`
	Client string `json:"client"`
	// Session is the secret by which a session over HTTP is named.
	Session string `json:"session"`
}

// Secret is a [Protocol] whose sessions may have a secret that names them; empty: this
// one has none.
type Secret interface{ Secret() string }

// Find returns the sessions of this node that are meant; of nothing that is given, none.
func (r *Registry) Find(t Target) []*Session {
	return slices.DeleteFunc(r.candidates(t), func(s *Session) bool { return !t.means(s) })
}

// candidates are those among which the sessions are that are meant.
func (r *Registry) candidates(t Target) (all []*Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case t.Client != "":
		if s := r.sessions[t.Client]; s != nil {
			all = append(all, s)
		}
	case t.User != "":
		for _, st := range r.users[t.User] {
			if st.session != nil {
				all = append(all, st.session)
			}
		}
	case t.Session != "":
		for _, s := range r.sessions {
			all = append(all, s)
		}
	}
	return all
}

func (t *Target) means(s *Session) bool {
	if who := IdentityOf(s); t.User != "" && (who == nil || who.User != t.User) {
		return false
	}
	if t.Session == "" {
		return true
	}
	p, ok := s.protocol.(Secret)
	return ok && p.Secret() == t.Session
}

// Attend notes that somebody who is no session is here, until release is called, once.
// When it may be here no longer, end is called, which must not block.
func (r *Registry) Attend(who *access.Identity, end func()) (release func()) {
	if who == nil {
		return func() {}
	}
	st := &standing{who: who, end: end}
	r.mu.Lock()
	r.list(st)
	r.mu.Unlock()
	r.reconsider(st)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.unlist(st)
	}
}

// NumUsers returns how many users have sessions; all who are anonymous are one.
func (r *Registry) NumUsers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	users, named := 0, 0
	for user, all := range r.users {
		if user == "" {
			continue
		}
		here := 0
		for _, st := range all {
			if st.session != nil {
				here++
			}
		}
		named += here
		users += min(here, 1)
	}
	if named < len(r.sessions) {
		users++
	}
	return users
}
