package redisbroker

import (
	"context"
	_ "embed" // for the script

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

//go:embed reap.lua
var reapSource string

var reapScript = redis.NewScript(reapSource)

// passOn hands leases to reapDead. While that is busy it needs no more: those that
// are left come with the next renewal.
func (b *Broker) passOn(dead []string) {
	if len(dead) == 0 {
		return
	}
	select {
	case b.presence.dead <- dead:
	default:
	}
}

// reapDead takes the members of ended leases out until the context ends. Every
// node does; they do not hinder one another.
func (b *Broker) reapDead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case dead := <-b.presence.dead:
			for _, lease := range dead {
				if err := b.reap(ctx, lease); err != nil && ctx.Err() == nil {
					b.logger.Debug("reaping waits for Redis", "err", err)
				}
			}
		}
	}
}

// reap takes out the members of one ended lease, and then the lease itself. Nobody
// adds members to a lease that has ended.
func (b *Broker) reap(ctx context.Context, lease string) error {
	taken := 0
	defer func() {
		if taken > 0 {
			b.logger.Info("took the clients of a node out of the presence", "lease", lease, "clients", taken)
		}
	}()
	for {
		channels, err := b.client.SRandMemberN(ctx, b.keys.channelsUnder(lease), reapChannels).Result()
		if err != nil {
			return err
		}
		if len(channels) == 0 {
			return b.client.SRem(ctx, b.keys.deadLeases(), lease).Err()
		}
		n, ended, err := b.reapSome(ctx, lease, channels)
		taken += n
		if err != nil || !ended {
			return err
		}
	}
}

// reapSome reports whether the lease has ended; otherwise there is nothing to take
// out.
func (b *Broker) reapSome(ctx context.Context, lease string, channels []string) (taken int, ended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	head := comingHead(hub.KindLeave)
	replies := make([]*redis.Cmd, len(channels))
	err = b.scripted(ctx, reapScript, func(p redis.Pipeliner) {
		for i, channel := range channels {
			keys := []string{b.keys.deadLeases(), b.keys.channelsUnder(lease), b.keys.members(channel, lease), b.keys.users(channel, lease)}
			replies[i] = p.EvalSha(ctx, reapScript.Hash(), keys, lease, channel, b.keys.topic(channel), head, reapMembers)
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
