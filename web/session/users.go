package session

import (
	"context"
	"maps"
	"slices"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

// roster has the clients that are users, by the user. It is guarded by the lock of the
// registry. A token may have no user, which is one of them here.
type roster map[string][]*standing

// list notes whose a client is that stands like this, if that is not noted already.
func (u roster) list(st *standing) {
	if st == nil || st.listed {
		return
	}
	all := u[st.who.User]
	st.listed, st.place = true, len(all)
	u[st.who.User] = append(all, st)
}

// unlist takes it back, and is harmless for one that is not noted.
func (u roster) unlist(st *standing) {
	if st == nil || !st.listed {
		return
	}
	user := st.who.User
	all := u[user]
	last := len(all) - 1
	all[st.place] = all[last]
	all[st.place].place = st.place
	all[last] = nil
	st.listed = false
	if u[user] = all[:last]; last == 0 {
		delete(u, user)
	}
}

// of returns the clients of a user; of nobody in particular, all.
func (u roster) of(user string) (all []*standing) {
	if user != "" {
		return slices.Clone(u[user])
	}
	for _, some := range u {
		all = append(all, some...)
	}
	return all
}

// count returns how many users have sessions, and how many sessions those are.
func (u roster) count() (users, sessions int) {
	for user, all := range u {
		if user == "" {
			continue
		}
		here := 0
		for _, st := range all {
			if st.session != nil {
				here++
			}
		}
		sessions += here
		users += min(here, 1)
	}
	return users, sessions
}

// swapped notes that the client of a session has become another.
func (r *Registry) swapped(s *Session, was, now *standing) {
	r.mu.Lock()
	r.users.unlist(was)
	if r.sessions[s.id] == s && s.standing.Load() == now {
		r.users.list(now)
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
	expireThose(s, func(d *detail, _ *hub.Subscription) bool {
		return d != nil && d.token != nil && s.registry.revoked(d.token) != nil
	})
}

// review ends the subscriptions of a client that has shown another token, where it had
// the right to them by the one before only. Those that are by a token of their own, or
// that the server wants, are not touched.
func review(ctx context.Context, s *Session) {
	expireThose(s, func(d *detail, sub *hub.Subscription) bool {
		if d != nil && (d.server || d.token != nil) {
			return false
		}
		_, err := s.registry.guard.Allow(ctx, access.Request{Who: IdentityOf(s), From: s.place.from, Action: access.Subscribe, Channel: sub.Channel(), Client: s.id})
		kind := fault.From(err).Kind
		return err != nil && (kind == fault.Denied || kind == fault.NoToken)
	})
}

// recheck ends a subscription whose token was taken back while it was made, and says why.
func (r *Registry) recheck(s *Session, channel string, shown *access.Identity) error {
	if shown == nil {
		return nil
	}
	err := r.revoked(shown)
	if err != nil {
		s.Unsubscribe(channel)
	}
	return err
}

// expireThose ends subscriptions of a session as if their tokens had expired. It waits for
// none: whoever calls may be handling a command of that client, or have many to look at.
func expireThose(s *Session, over func(*detail, *hub.Subscription) bool) {
	p, ok := s.protocol.(Introducer)
	if !ok {
		return
	}
	s.mu.Lock()
	all := slices.Clone(s.subscriptions)
	s.mu.Unlock()
	for _, sub := range all {
		if over(sub.detail, sub.Subscription) {
			s.registry.Go(func() { p.Expired(sub.Subscription) })
		}
	}
}

// standings are the clients of a user; of nobody in particular, all.
func (r *Registry) standings(user string) []*standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.users.of(user)
}

// Target says which sessions are meant: those that match everything that is given.
type Target struct {
	User   string `json:"user"`
	Client string `json:"client"`
	// Session is the secret by which a session over HTTP is named.
	Session string `json:"session"`
	// On is the channel that it is about; empty: none. Who is a user by a key for other
	// channels is not that user there.
	On string `json:"-"`
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
	who := IdentityOf(s)
	if t.On != "" {
		who = who.On(t.On)
	}
	if t.User != "" && (who == nil || who.User != t.User) {
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
	r.users.list(st)
	r.mu.Unlock()
	r.reconsider(st)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.users.unlist(st)
	}
}

// NumUsers returns how many users have sessions; all who are anonymous are one.
func (r *Registry) NumUsers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	users, named := r.users.count()
	if named < len(r.sessions) {
		users++
	}
	return users
}
