package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"belfry/cmd/internal/centrifuge"
)

// lossSubscriber follows one channel in the Centrifuge protocol for as long as
// the test lasts. It keeps its position and recovers by it, on whatever node it
// finds itself.
type lossSubscriber struct {
	*journal
	site       *site
	rng        *rand.Rand
	number     int
	stalled    atomic.Int64 // when it reads again, Unix time in ns
	subscribed bool
}

// lossCommand subscribes.
type lossCommand struct {
	ID        uint32 `json:"id"`
	Subscribe struct {
		Channel string `json:"channel"`
		Recover bool   `json:"recover,omitempty"`
		Epoch   string `json:"epoch,omitempty"`
		Offset  uint64 `json:"offset,omitempty"`
	} `json:"subscribe"`
}

// lossReply is what a subscriber hears.
type lossReply struct {
	Error     *centrifuge.Error `json:"error"`
	Push      *centrifuge.Push  `json:"push"`
	Subscribe *lossSubscribe    `json:"subscribe"`
}

type lossSubscribe struct {
	Recoverable  bool      `json:"recoverable"`
	Recovered    bool      `json:"recovered"`
	Epoch        string    `json:"epoch"`
	Offset       uint64    `json:"offset"`
	Publications []message `json:"publications"`
}

// run follows until the context ends.
func (s *lossSubscriber) run(ctx context.Context) {
	for again := true; again; again = pause(ctx, randomTime(s.rng, 5*time.Millisecond, 200*time.Millisecond)) {
		s.attend(ctx)
	}
}

// attend follows over one connection.
func (s *lossSubscriber) attend(ctx context.Context) {
	c, err := dial(ctx, s.site.front(s.rng.IntN(2), s.number), "", func(err error) { s.ledger.breaks("a subscriber cannot read what it was sent: %v", err) })
	if err != nil {
		return
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.close)()
	s.ledger.count(&s.ledger.connections)
	s.subscribed = false
	for err = s.ask(c); err == nil; err = s.hear(ctx, c) {
	}
	var closed *websocket.CloseError
	if errors.As(err, &closed) && isFinalCode(closed.Code) {
		s.ledger.breaks("%s of %s is sent away for good: %v", s.name, s.channel, closed)
	}
}

// ask subscribes, from the last position if there is one.
func (s *lossSubscriber) ask(c *client) error {
	c.lastID++
	cmd := lossCommand{ID: c.lastID}
	cmd.Subscribe.Channel = s.channel
	if epoch, offset, ok := s.position(); ok {
		cmd.Subscribe.Recover, cmd.Subscribe.Epoch, cmd.Subscribe.Offset = true, epoch, offset
	}
	text, err := marshal(cmd)
	if err != nil {
		return err
	}
	return c.write(text)
}

// hear handles the next frame, unless the subscriber is stalled.
func (s *lossSubscriber) hear(ctx context.Context, c *client) error {
	for time.Now().UnixNano() < s.stalled.Load() && pause(ctx, 20*time.Millisecond) {
	}
	wait := c.quiet
	if !s.subscribed {
		wait = answerWait
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	_, text, err := c.conn.ReadMessage()
	for line := range bytes.Lines(text) {
		if err == nil {
			err = s.handle(ctx, c, bytes.TrimSpace(line))
		}
	}
	return err
}

func (s *lossSubscriber) handle(ctx context.Context, c *client, line []byte) error {
	if string(line) == "{}" {
		return c.answerPing()
	}
	var r lossReply
	if err := json.Unmarshal(line, &r); err != nil {
		s.ledger.breaks("%s hears %.100q: %v", s.name, line, err)
		return err
	}
	_, _, again := s.position()
	switch {
	case r.Subscribe != nil && !r.Subscribe.Recoverable && !again:
		return errors.New("the broker was away, so there is no position to begin with")
	case r.Subscribe != nil:
		s.hearSubscribed(r.Subscribe)
	case r.Error != nil && !r.Error.Temporary:
		s.ledger.breaks("%s of %s is refused: %s", s.name, s.channel, r.Error.Message)
		return errors.New(r.Error.Message)
	case r.Error != nil:
		pause(ctx, randomTime(s.rng, 50*time.Millisecond, 150*time.Millisecond))
		return s.ask(c)
	case r.Push != nil && r.Push.Unsubscribe != nil && r.Push.Unsubscribe.Resubscribe():
		s.subscribed = false
		return s.ask(c)
	case r.Push != nil && r.Push.Pub != nil && s.subscribed:
		s.take(*r.Push.Pub)
	default:
		s.ledger.breaks("%s of %s hears %.100q, subscribed: %v", s.name, s.channel, line, s.subscribed)
	}
	return nil
}

// hearSubscribed takes the answer to a subscription: the first one, one that
// brings what was missed, or one that says that it cannot be had.
func (s *lossSubscriber) hearSubscribed(r *lossSubscribe) {
	s.subscribed = true
	epoch, offset, again := s.position()
	switch {
	case !r.Recoverable || r.Epoch == "":
		s.ledger.breaks("%s of %s has a subscription without a position", s.name, s.channel)
	case !again:
		s.begin(r.Epoch, r.Offset)
	case !r.Recovered:
		s.tell(r.Epoch, r.Offset)
	case r.Epoch != epoch:
		s.ledger.breaks("%s of %s asked for what comes in epoch %q and got what comes in %q", s.name, s.channel, epoch, r.Epoch)
	case r.Offset != offset:
		s.ledger.breaks("%s of %s asked for what comes after %d and got what comes after %d", s.name, s.channel, offset, r.Offset)
	default:
		s.recover(len(r.Publications))
		for _, m := range r.Publications {
			s.take(m)
		}
	}
}

func (s *lossSubscriber) take(m message) {
	var data lossMessage
	if err := json.Unmarshal(m.Data, &data); err != nil {
		s.ledger.breaks("%s hears the data %.100q: %v", s.name, m.Data, err)
	}
	s.deliver(m.Offset, data.ID)
}

// stall keeps the subscriber from reading for a while, or lets it go on.
func (s *lossSubscriber) stall(d time.Duration) { s.stalled.Store(time.Now().Add(d).UnixNano()) }

// randomTime is from least up to most.
func randomTime(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)))
}
