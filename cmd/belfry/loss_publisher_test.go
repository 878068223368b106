package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// lossChannel is one channel of the loss test.
type lossChannel struct {
	name        string
	forgetful   bool // its history holds three messages only
	subscribers int
	publishers  int
	size        int           // of messages, bytes
	every       time.Duration // pause of a publisher, about
}

func lossChannels() (channels []lossChannel) {
	for i := range 7 {
		channels = append(channels, lossChannel{name: fmt.Sprint("news:", i), subscribers: 24, publishers: 2, size: 20, every: 30 * time.Millisecond})
	}
	return append(channels,
		lossChannel{name: "forgetful", forgetful: true, subscribers: 24, publishers: 1, size: 20, every: 30 * time.Millisecond},
		lossChannel{name: "large", subscribers: 8, publishers: 2, size: 24 << 10, every: 20 * time.Millisecond})
}

// lossMessage is the data of a message.
type lossMessage struct {
	ID      string `json:"id"`
	Padding string `json:"padding,omitempty"`
}

// lossPublisher publishes to one channel, one message after the other. It
// repeats each under its idempotency key until a server has taken it, so that
// the fate of every message is known.
type lossPublisher struct {
	ledger  *ledger
	site    *site
	rng     *rand.Rand
	channel lossChannel
	number  int
	epoch   string
	last    uint64 // offset
}

// run publishes until work ends, and finishes the last message until the context
// ends.
func (p *lossPublisher) run(ctx, work context.Context) {
	for n := 1; pause(work, randomTime(p.rng, 0, 2*p.channel.every)); n++ {
		id := fmt.Sprintf("%d/%d", p.number, n)
		for !p.publish(ctx, id) {
			if !pause(ctx, randomTime(p.rng, 20*time.Millisecond, 120*time.Millisecond)) {
				p.ledger.breaks("%s: nobody took %q", p.channel.name, id)
				return
			}
			p.ledger.count(&p.ledger.repeated)
		}
	}
}

// publish tries once and reports whether a server took the message.
func (p *lossPublisher) publish(ctx context.Context, id string) bool {
	data, _ := json.Marshal(lossMessage{id, strings.Repeat("x", p.channel.size)})
	a := api{server: p.site.front(p.rng.IntN(2), p.rng.IntN(frontsEach)), key: lossKey}
	answer, err := a.publish(ctx, publication{Channel: p.channel.name, Data: data, IdempotencyKey: id})
	if err != nil {
		return false
	}
	var result struct {
		Offset uint64 `json:"offset"`
		Epoch  string `json:"epoch"`
	}
	if err := json.Unmarshal(answer, &result); err != nil || result.Epoch == p.epoch && result.Offset <= p.last {
		p.ledger.breaks("%s: %q was taken after %d with the answer %s", p.channel.name, id, p.last, answer)
	}
	p.epoch, p.last = result.Epoch, result.Offset
	p.ledger.acknowledge(p.channel.name, result.Epoch, result.Offset, id)
	return true
}
