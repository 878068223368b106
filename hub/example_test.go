package hub_test

import (
	"context"
	"fmt"
	"sync"

	"belfry/hub"
)

// text is a wire format: the channel and the data of a message on a line.
type text struct{}

func (text) AppendFrame(dst []byte, channel string, m *hub.Message) []byte {
	return fmt.Appendf(dst, "%s: %s\n", channel, m.Data)
}

// screen is a subscriber that prints what it gets, and remembers where it was.
type screen struct {
	got  chan hub.Position // of each message
	last hub.Position
}

func (*screen) ID() string  { return "screen" }
func (*screen) Evict(error) {} // it takes everything

func (s *screen) Deliver(_ *hub.Subscription, d hub.Delivery) error {
	fmt.Printf("%s", d.Frames)
	for _, m := range d.Messages {
		s.got <- hub.Position{Epoch: m.Epoch, Offset: m.Offset}
	}
	return nil
}

// A subscriber hears of messages, goes away, and gets what it has missed.
func Example() {
	h := hub.New(hub.Options{Rules: hub.Rules{{Match: "news", History: hub.History{Size: 100}}}})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	defer running.Wait()
	defer stop()

	say := func(data string) {
		if _, err := h.Publish(ctx, "news", &hub.Message{Data: []byte(data)}, hub.PublishOptions{}); err != nil {
			fmt.Println(err)
		}
	}
	s := &screen{got: make(chan hub.Position, 1)}
	sub, err := h.Subscribe(ctx, "news", s, text{}, hub.SubscribeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	sub.Start()
	say(`"the bell is cast"`)
	s.last = <-s.got
	sub.Cancel()

	say(`"it hangs"`)
	again, err := h.Subscribe(ctx, "news", s, text{}, hub.SubscribeOptions{Recover: &s.last})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("recovered:", again.Recovered)
	for _, m := range again.Missed {
		fmt.Printf("%s\n", m.Data)
	}
	again.Start()
	say(`"it rings"`)
	<-s.got

	// Output:
	// news: "the bell is cast"
	// recovered: true
	// "it hangs"
	// news: "it rings"
}
