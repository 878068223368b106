package hub_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// counter counts its calls. Encoders with the same count are equal.
type counter struct {
	count *atomic.Int64
	name  byte
}

func (c counter) AppendFrame(dst []byte, _ string, m *hub.Message) []byte {
	c.count.Add(1)
	return append(append(dst, c.name), m.Data...)
}

func TestEncodersRunOncePerMessage(t *testing.T) {
	for _, subscribers := range []int{1, 10, 257, 600} {
		t.Run(fmt.Sprint(subscribers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hub.New(hub.Options{})
				var counts [3]atomic.Int64
				var rs [3][]*hubtest.Recorder
				for i := range 3 * subscribers {
					f, r := i%3, hubtest.NewRecorder(fmt.Sprint(i))
					hubtest.Subscribe(t, h, "chat", r, counter{&counts[f], "abc"[f]}).Start()
					rs[f] = append(rs[f], r)
				}
				for _, data := range sequence(20) {
					hubtest.Publish(t, h, "chat", data)
				}
				synctest.Wait()
				for f := range counts {
					if n := counts[f].Load(); n != 20 {
						t.Errorf("encoder %d ran %d times for 20 messages", f, n)
					}
					name := "abc"[f : f+1]
					want := name + strings.Join(sequence(20), name)
					for _, r := range rs[f] {
						if r.Frames() != want {
							t.Fatalf("a subscriber of encoder %d got %q, want %q", f, r.Frames(), want)
						}
					}
				}
			})
		})
	}
}

func TestEncoderWithoutSubscribersRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		var count atomic.Int64
		sub := hubtest.Subscribe(t, h, "chat", hubtest.NewRecorder("gone"), counter{&count, 'a'})
		sub.Start()
		sub.Cancel()
		stays := hubtest.Listen(t, h, "chat", "stays")
		hubtest.Publish(t, h, "chat", "1")
		synctest.Wait()
		stays.Want(t, "1")
		if n := count.Load(); n != 0 {
			t.Errorf("the encoder of nobody ran %d times", n)
		}
	})
}

// The places of formats are given again, and no subscriber gets the frames of
// another format, while rounds go on.
func TestFormatsAreReused(t *testing.T) {
	h := hub.New(hub.Options{})
	var publishing sync.WaitGroup
	var done atomic.Bool
	publishing.Go(func() {
		for !done.Load() {
			hubtest.Publish(t, h, "chat", "1")
		}
	})
	var count atomic.Int64
	var joining sync.WaitGroup
	for worker := range 4 {
		joining.Go(func() {
			for i := range 100 {
				name := byte('a' + (worker*7+i)%26)
				r := hubtest.NewRecorder("r")
				sub, err := h.Subscribe(t.Context(), "chat", r, counter{&count, name}, hub.SubscribeOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				sub.Start()
				r.Wait(t, 1)
				sub.Cancel()
				if frames := r.Frames(); strings.Trim(frames, string(name)+"1") != "" {
					t.Errorf("the subscriber of format %q got %q", name, frames)
				}
			}
		})
	}
	joining.Wait()
	done.Store(true)
	publishing.Wait()
}
