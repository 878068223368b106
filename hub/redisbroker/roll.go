package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// pageSize is how many members one page of a channel's presence has, about. Redis
// answers nobody else while it reads one.
const pageSize = 500

// roll is what is read of a channel's presence: a page under each lease in one round
// trip, until there are no more.
type roll struct {
	channel string
	bytes   int // that are to be read at most, about
	room    int // that of values may still be read
	clients map[string]hub.ClientInfo
	bare    map[string]struct{} // those of them whose infos were not read
	rest    []scan
}

// scan is how far the members under a lease were read.
type scan struct{ lease, cursor string }

// Presence implements [hub.PresenceStore], in two round trips, or more where there are
// many.
func (p *presence) Presence(ctx context.Context, channel string, bytes int) (hub.Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if bytes <= 0 {
		bytes = math.MaxInt
	}
	r := &roll{channel: channel, bytes: bytes, room: bytes, clients: make(map[string]hub.ClientInfo), bare: make(map[string]struct{})}
	leases, err := p.leases(ctx)
	for _, lease := range leases {
		r.rest = append(r.rest, scan{lease, "0"})
	}
	for err == nil && len(r.rest) > 0 {
		err = p.readPages(ctx, r)
	}
	if err != nil && !errors.Is(err, hub.ErrPresenceSize) {
		err = unavailable("read presence of "+channel, err)
	}
	if err != nil {
		return hub.Presence{}, err
	}
	return r.presence()
}

// readPages reads the next page under each lease that has one. They share the room.
func (p *presence) readPages(ctx context.Context, r *roll) error {
	asked, replies := r.rest, make([]*redis.Cmd, len(r.rest))
	err := p.scripted(ctx, membersScript, func(pipe redis.Pipeliner) {
		for i, s := range asked {
			keys := []string{p.keys.members(r.channel, s.lease)}
			replies[i] = pipe.EvalSha(ctx, membersScript.Hash(), keys, s.cursor, pageSize, max(r.room, 0)/len(asked))
		}
	})
	if err != nil {
		return err
	}
	r.rest = nil
	total := 0
	for i, reply := range replies {
		page, err := parsePage(reply)
		if err != nil {
			return err
		}
		if total += page.total; page.cursor != "0" {
			r.rest = append(r.rest, scan{asked[i].lease, page.cursor})
		}
		p.take(r, page)
	}
	if max(total, len(r.clients)) > r.bytes/hub.PresenceName {
		return hub.ErrPresenceSize
	}
	return nil
}

// take takes the members of a page. A member may come twice.
func (p *presence) take(r *roll, page page) {
	for i := 0; i < len(page.whole); i += 2 {
		client, value := page.whole[i], page.whole[i+1]
		info, err := parseMember(client, value)
		if err != nil {
			p.unreadable("member", r.channel, err)
			continue
		}
		r.room -= len(value)
		r.clients[client] = info
		delete(r.bare, client)
	}
	for i := 0; i < len(page.bare); i += 2 {
		client := page.bare[i]
		if _, known := r.clients[client]; !known {
			r.clients[client] = hub.ClientInfo{User: page.bare[i+1], Client: client}
			r.bare[client] = struct{}{}
		}
	}
}

// presence is what was read, within the bytes.
func (r *roll) presence() (hub.Presence, error) {
	clients := make([]hub.ClientInfo, 0, len(r.clients))
	for _, c := range r.clients {
		clients = append(clients, c)
	}
	there, err := hub.NewPresence(clients, r.bytes)
	there.WithoutInfo += len(r.bare)
	return there, err
}

// page is a part of the members that a channel has under a lease; see members.lua.
type page struct {
	cursor      string
	total       int      // members that there are
	whole, bare []string // clients, and the values or users of each
}

// parsePage reads a page.
func parsePage(reply *redis.Cmd) (p page, err error) {
	parts, err := reply.Slice()
	if err != nil {
		return p, err
	}
	if len(parts) != 4 {
		return p, fmt.Errorf("members script: %d values came, 4 are expected", len(parts))
	}
	cursor, ok1 := parts[0].(string)
	total, ok2 := parts[1].(int64)
	whole, ok3 := texts(parts[2])
	bare, ok4 := texts(parts[3])
	if _, err := strconv.ParseUint(cursor, 10, 64); err != nil || !ok1 || !ok2 || !ok3 || !ok4 {
		return p, fmt.Errorf("members script: a cursor, a number and members in pairs are expected, and not %.100v", parts)
	}
	return page{cursor, int(total), whole, bare}, nil
}

// texts reads a list of texts, of which there is an even number.
func texts(value any) (all []string, ok bool) {
	list, ok := value.([]any)
	for _, v := range list {
		text, isText := v.(string)
		all, ok = append(all, text), ok && isText
	}
	return all, ok && len(all)%2 == 0
}
