package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// DefaultPresenceTTL is when the clients of a node that died without a word are
// forgotten at the latest.
const DefaultPresenceTTL = time.Minute

// presence is that of one node's clients.
//
// A node has a lease, which it renews, and its clients are kept in Redis under
// that lease: a hash of them for each channel, a hash that counts them by user,
// and a set of the channels there are. When the lease is over, any other node ends
// it, from which moment nobody counts the clients any more, and takes them out. An
// ended lease never comes back; the node takes a new one.
type presence struct {
	*client
	node      string      // the ID of this node
	connected func() bool // whether there is a Pub/Sub connection
	ttl       time.Duration
	members   members
	dead      chan []string // leases whose members are to be taken out
}

// newPresence returns the presence of a node without clients. Connected tells
// whether there is a Pub/Sub connection: while there is none nobody waits for Redis.
func newPresence(c *client, ttl time.Duration, connected func() bool) *presence {
	if ttl == 0 {
		ttl = DefaultPresenceTTL
	}
	return &presence{
		client: c, connected: connected,
		ttl: max(ttl, time.Second), members: newMembers(), dead: make(chan []string, 1),
	}
}

// Join implements [hub.PresenceStore]. Many joins at once share a round trip.
func (p *presence) Join(ctx context.Context, channel string, c hub.ClientInfo) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	done := p.members.join(channel, c)
	if done == nil {
		return nil
	}
	if !p.connected() {
		return fmt.Errorf("%w: join: no Pub/Sub connection to Redis", hub.ErrUnavailable)
	}
	select {
	case err := <-done:
		return unavailable("join", err)
	case <-ctx.Done():
		return unavailable("join", ctx.Err())
	}
}

// Leave implements [hub.PresenceStore].
func (p *presence) Leave(channel, client string) { p.members.leave(channel, client) }

// PresenceStats implements [hub.PresenceStore], in two round trips. It reads a number
// for each user and node.
func (p *presence) PresenceStats(ctx context.Context, channel string) (hub.PresenceStats, error) {
	numbers, err := p.numbers(ctx, channel)
	if err != nil {
		return hub.PresenceStats{}, unavailable("count presence of "+channel, err)
	}
	stats, users := hub.PresenceStats{}, make(map[string]struct{})
	for _, ofLease := range numbers {
		for user, text := range ofLease.Val() {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				p.unreadable("number of clients", channel, fmt.Errorf("%.30q: %w", text, err))
				continue
			}
			stats.Clients += n
			users[user] = struct{}{}
		}
	}
	stats.Users = len(users)
	return stats, nil
}

// leases are those in force. A Redis that cannot serve is not asked: it may have none
// because nobody may take one there.
func (p *presence) leases(ctx context.Context) ([]string, error) {
	if err := p.voucher.unfit(); err != nil {
		return nil, err
	}
	return p.redis.ZRange(ctx, p.keys.leases(), 0, -1).Result()
}

// numbers reads how many clients each user has on a channel, under each lease.
func (p *presence) numbers(ctx context.Context, channel string) (replies []*redis.MapStringStringCmd, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	leases, err := p.leases(ctx)
	if err != nil {
		return nil, err
	}
	_, err = p.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, lease := range leases {
			replies = append(replies, pipe.HGetAll(ctx, p.keys.users(channel, lease)))
		}
		return nil
	})
	return replies, err
}

// appendMember appends a member as it is kept in Redis; see member.lua.
func appendMember(dst []byte, c hub.ClientInfo) []byte {
	dst = strconv.AppendInt(dst, int64(len(c.User)), 10)
	dst = append(append(dst, ' '), c.User...)
	return appendEnvelope(dst, &hub.Message{Info: &c, Exclude: c.Client})
}

var errMember = errors.New("bad member of a channel's presence")

// parseMember reads what appendMember has made of a client.
func parseMember(client, value string) (hub.ClientInfo, error) {
	digits, rest, ok := strings.Cut(value, " ")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil || int(n) > len(rest) {
		return hub.ClientInfo{}, fmt.Errorf("%w %q: the length of its user is expected first", errMember, client)
	}
	m, err := parseEnvelope([]byte(rest[n:]))
	if err != nil {
		return hub.ClientInfo{}, fmt.Errorf("%w %q: %w", errMember, client, err)
	}
	if m.Info == nil || m.Info.Client != client || m.Info.User != rest[:n] {
		return hub.ClientInfo{}, fmt.Errorf("%w %q: it is somebody else", errMember, client)
	}
	return *m.Info, nil
}

// joinLeaveHead is the part of the envelope of a join or a leave that is not about the
// member.
func joinLeaveHead(k hub.Kind) []byte {
	return appendEnvelope(nil, &hub.Message{Kind: k, Time: time.Now().UnixMilli()})
}

// equal reports whether two infos say the same.
func equal(c, o hub.ClientInfo) bool {
	return c.User == o.User && c.Client == o.Client && string(c.ConnInfo) == string(o.ConnInfo) && string(c.ChanInfo) == string(o.ChanInfo)
}
