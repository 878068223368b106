package redisbroker

import (
	"context"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

const (
	// reapChannels is how many channels one round trip of reaping names, and
	// reapMembers how many members of each it takes out. Redis answers nobody
	// else while it takes out those of one channel.
	reapChannels = 100
	reapMembers  = 500
)

// passOn hands leases to reapDead. While that is busy it needs no more: those that
// are left come with the next renewal.
func (p *presence) passOn(dead []string) {
	if len(dead) == 0 {
		return
	}
	select {
	case p.dead <- dead:
	default:
	}
}

// reapDead takes the members of ended leases out until the context ends. Every
// node does; they do not hinder one another.
func (p *presence) reapDead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case dead := <-p.dead:
			for _, lease := range dead {
				if err := p.reap(ctx, lease); err != nil && ctx.Err() == nil {
					p.logger.Debug("reaping waits for Redis", "err", err)
				}
			}
		}
	}
}

// reap takes out the members of one ended lease, and then the lease itself. Nobody
// adds members to a lease that has ended.
func (p *presence) reap(ctx context.Context, lease string) error {
	taken := 0
	defer func() {
		if taken > 0 {
			p.logger.Info("took the clients of a node out of the presence", "lease", lease, "clients", taken)
		}
	}()
	for {
		channels, err := p.redis.SRandMemberN(ctx, p.keys.channelsUnder(lease), reapChannels).Result()
		if err != nil {
			return err
		}
		if len(channels) == 0 {
			return p.redis.SRem(ctx, p.keys.deadLeases(), lease).Err()
		}
		n, ended, err := p.reapSome(ctx, lease, channels)
		taken += n
		if err != nil || !ended {
			return err
		}
	}
}

// reapSome reports whether the lease has ended; otherwise there is nothing to take
// out.
func (p *presence) reapSome(ctx context.Context, lease string, channels []string) (taken int, ended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	head := joinLeaveHead(hub.KindLeave)
	replies := make([]*redis.Cmd, len(channels))
	err = p.scripted(ctx, reapScript, func(pipe redis.Pipeliner) {
		for i, channel := range channels {
			keys := []string{p.keys.deadLeases(), p.keys.channelsUnder(lease), p.keys.members(channel, lease), p.keys.users(channel, lease)}
			replies[i] = pipe.EvalSha(ctx, reapScript.Hash(), keys, lease, channel, p.keys.topic(channel), head, reapMembers)
		}
	})
	ended = true
	for _, reply := range replies {
		n, _ := reply.Int()
		taken += max(n, 0)
		ended = ended && n >= 0
	}
	return taken, ended, err
}
