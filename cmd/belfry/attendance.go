package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// attendance is a follower on one connection.
type attendance struct {
	*follower
	client *client
	asked  map[uint32]string // channels without an answer yet, by command ID
	good   bool              // every channel had its answer
}

// run subscribes and hands messages over until the connection ends.
func (a *attendance) run() error {
	for _, channel := range a.channels {
		if err := a.subscribe(channel); err != nil {
			return err
		}
	}
	for {
		replies, err := a.client.hear(a.patience())
		for _, r := range replies {
			if err := a.handle(&r); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// patience is how long to wait for the next frame.
func (a *attendance) patience() time.Duration {
	if len(a.asked) > 0 {
		return answerWait
	}
	return 0
}

func (a *attendance) subscribe(channel string) error {
	id, err := a.client.subscribe(channel)
	a.asked[id] = channel
	return err
}

func (a *attendance) handle(r *reply) error {
	if r.Push != nil {
		return a.push(r.Push)
	}
	channel, ok := a.asked[r.ID]
	if !ok {
		return nil
	}
	delete(a.asked, r.ID)
	if r.Error != nil && r.Error.Temporary {
		return fmt.Errorf("%s: %s", channel, printable(r.Error.Message))
	}
	if r.Error != nil {
		if err := a.drop(channel, r.Error.Message); err != nil {
			return err
		}
	}
	if len(a.asked) == 0 {
		a.subscribed()
	}
	return nil
}

// subscribed is called when every channel has its answer.
func (a *attendance) subscribed() {
	names := printable(strings.Join(a.channels, ", "))
	switch away := time.Since(a.lost).Round(100 * time.Millisecond); {
	case a.lost.IsZero():
		a.notice("subscribed to %s at %s", names, a.server)
	case away == 0: // the server has missed messages, and asked us to subscribe again
		a.notice("subscribed to %s again; messages may be missing", names)
	default:
		a.notice("subscribed to %s again, after %v; messages of that time may be missing", names, away)
	}
	a.good, a.attempts, a.told = true, 0, ""
}

// drop lets go of a channel that the server refuses.
func (a *attendance) drop(channel, why string) error {
	a.channels = slices.DeleteFunc(a.channels, func(c string) bool { return c == channel })
	a.notice("not subscribed to %s: %s", channel, printable(why))
	if len(a.channels) == 0 {
		return finalError{errors.New("no channel is left to follow")}
	}
	return nil
}

func (a *attendance) push(p *push) error {
	switch {
	case p.Pub != nil:
		p.Pub.Channel = p.Channel
		return a.deliver(*p.Pub)
	case p.Unsubscribe != nil && p.Unsubscribe.resubscribe():
		a.lost = time.Now()
		return a.subscribe(p.Channel)
	case p.Unsubscribe != nil:
		return a.drop(p.Channel, "the server ended it: "+p.Unsubscribe.Reason)
	}
	return nil
}

func (a *attendance) deliver(m message) error {
	if err := a.message(m); err != nil {
		return finalError{err}
	}
	return nil
}
