package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"belfry/cmd/internal/centrifuge"
)

// connection is a follower on one connection: its state does not outlive that. One
// goroutine runs it.
type connection struct {
	*follower
	client *client
	asked  map[uint32]string // channels without an answer yet, by command ID
	good   bool              // every channel had its answer
}

// run subscribes and hands messages over until the connection ends, and returns why:
// a [finalError] when the next one would end in the same way. All commands are sent
// before the first answer is read.
func (c *connection) run() error {
	for _, channel := range c.channels {
		if err := c.subscribe(channel); err != nil {
			return err
		}
	}
	for {
		replies, err := c.client.hear(c.patience())
		for _, r := range replies {
			if err := c.handle(&r); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// patience is how long to wait for the next frame: not long for an answer, and as
// long as the server pings for a message.
func (c *connection) patience() time.Duration {
	if len(c.asked) > 0 {
		return answerWait
	}
	return 0
}

// subscribe asks for a channel; handle takes the answer.
func (c *connection) subscribe(channel string) error {
	id, err := c.client.subscribe(channel)
	c.asked[id] = channel
	return err
}

// handle takes a reply. After a temporary refusal it is worth connecting again later;
// after any other the channel is dropped and the rest goes on.
func (c *connection) handle(r *centrifuge.Reply) error {
	if r.Push != nil {
		return c.push(r.Push)
	}
	channel, ok := c.asked[r.ID]
	if !ok {
		return nil
	}
	delete(c.asked, r.ID)
	if r.Error != nil && r.Error.Temporary {
		return fmt.Errorf("%s: %s", channel, printable(r.Error.Message))
	}
	if r.Error != nil {
		if err := c.drop(channel, r.Error.Message); err != nil {
			return err
		}
	}
	if len(c.asked) == 0 {
		c.subscribed()
	}
	return nil
}

// subscribed is called when every channel has its answer, and says so once for all
// channels.
func (c *connection) subscribed() {
	names := printable(strings.Join(c.channels, ", "))
	switch away := time.Since(c.lost).Round(100 * time.Millisecond); {
	case c.lost.IsZero():
		c.notice("subscribed to %s at %s", names, c.server)
	case away == 0: // the server has missed messages, and asked us to subscribe again
		c.notice("subscribed to %s again; messages may be missing", names)
	default:
		c.notice("subscribed to %s again, after %v; messages of that time may be missing", names, away)
	}
	c.good, c.attempts, c.told = true, 0, ""
}

// drop lets go of a channel that the server refuses.
func (c *connection) drop(channel, why string) error {
	c.channels = slices.DeleteFunc(c.channels, func(name string) bool { return name == channel })
	c.notice("not subscribed to %s: %s", channel, printable(why))
	if len(c.channels) == 0 {
		return finalError{errors.New("no channel is left to follow")}
	}
	return nil
}

// push takes a message, or the end of a subscription. A server that has lost messages
// ends it in such a way that the client subscribes again, and sees the gap.
func (c *connection) push(p *centrifuge.Push) error {
	switch {
	case p.Pub != nil:
		p.Pub.Channel = p.Channel
		return c.deliver(*p.Pub)
	case p.Unsubscribe != nil && p.Unsubscribe.Resubscribe():
		c.lost = time.Now()
		return c.subscribe(p.Channel)
	case p.Unsubscribe != nil:
		return c.drop(p.Channel, "the server ended it: "+p.Unsubscribe.Reason)
	}
	return nil
}

// deliver hands a message over. If that fails, it would fail on the next connection
// as well, so the error is final.
func (c *connection) deliver(m message) error {
	if err := c.message(m); err != nil {
		return finalError{err}
	}
	return nil
}
