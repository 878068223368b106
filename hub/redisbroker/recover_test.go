package redisbroker_test

import (
	"context"
	"errors"
	"testing"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// A client comes from a node that has heard more than this one, whose way to
// Redis was cut. It is not sent back to what it has already: this node catches up
// first, and until it can it asks the client to wait.
func TestRecoverAheadOfTheNode(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	fast := redisHub(t, r, keeping)
	slow, link := linkedHub(t, r)
	stays := hubtest.Listen(t, slow, "chat", "stays")
	hubtest.Publish(t, fast, "chat", "1")
	stays.Want(t, "1")
	link.Refuse(true)
	link.Cut()
	had := hubtest.Publish(t, fast, "chat", "2")
	moves := hubtest.NewRecorder("moves")
	_, err := slow.Subscribe(context.Background(), "chat", moves, lines, hub.SubscribeOptions{Recover: &had})
	if !errors.Is(err, hub.ErrUnavailable) {
		t.Fatalf("while the node is cut off, Subscribe = %v, want ErrUnavailable", err)
	}
	link.Refuse(false)
	sub := hubtest.Recover(t, slow, "chat", moves, had)
	if !sub.Recovered || len(sub.Missed) > 0 || sub.Position != had {
		t.Errorf("recovered %t with %d messages at %+v, want true with none at %+v", sub.Recovered, len(sub.Missed), sub.Position, had)
	}
	sub.Start()
	hubtest.Publish(t, fast, "chat", "3")
	moves.Want(t, "3")
	stays.Want(t, "1", "2", "3")
}

// linkedHub is a node whose way to Redis can be cut.
func linkedHub(t *testing.T, r *hubtest.RedisServer) (*hub.Hub, *hubtest.Proxy) {
	t.Helper()
	link := hubtest.NewProxy(t, r.Addr())
	return redisHubAt(t, "redis://"+link.Addr(), keeping), link
}
