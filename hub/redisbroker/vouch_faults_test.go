package redisbroker_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

const recordKey, nodesKey = "belfry:vouched", "belfry:vouched:nodes"

// counterKey is that of the term of the record.
func counterKey(t *testing.T, r *hubtest.RedisServer) string {
	return "belfry:vouched:count:" + redisSays(t, r, "HGET", recordKey, "t")
}

// onDisk are arguments of a Redis that has everything when it is started again.
var onDisk = []string{"--appendonly", "yes", "--appendfsync", "always"}

// Somebody writes to what nodes vouch by. Publishing goes on: in a new epoch, of which
// subscribers are told, unless what is there shows that nothing is lost.
func TestWhatVouchesIsDamaged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		damage func(counter string) []any
		told   bool
	}{
		{"record gone", func(string) []any { return []any{"DEL", recordKey} }, true},
		{"record is a string", func(string) []any { return []any{"SET", recordKey, "x"} }, true},
		{"generation gone", func(string) []any { return []any{"HDEL", recordKey, "g"} }, true},
		{"generation of another size", func(string) []any { return []any{"HSET", recordKey, "g", "x"} }, true},
		{"another term", func(string) []any { return []any{"HSET", recordKey, "t", "x"} }, true},
		{"another run", func(string) []any { return []any{"HSET", recordKey, "r", "x"} }, false},
		{"counter gone", func(counter string) []any { return []any{"DEL", counter} }, true},
		{"counter is a hash", func(counter string) []any { return []any{"RENAME", recordKey, counter} }, true},
		{"counter is text", func(counter string) []any { return []any{"SET", counter, "x"} }, true},
		{"counter is negative", func(counter string) []any { return []any{"SET", counter, "-7"} }, true},
		{"counter at its end", func(counter string) []any { return []any{"SET", counter, "9223372036854775807"} }, true},
		{"counter behind", func(counter string) []any { return []any{"SET", counter, "2"} }, true},
		{"counter ahead", func(counter string) []any { return []any{"SET", counter, "777"} }, false},
		{"nodes are a string", func(string) []any { return []any{"SET", nodesKey, "x"} }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := hubtest.Redis(t)
			publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
			l := hubtest.ListenForLosses(t, h, "chat")
			before := hubtest.PublishNumbers(t, publisher, "chat", 1, 5)
			l.Wait(t, 5)
			redisSays(t, r, c.damage(counterKey(t, r))...)
			if !c.told {
				l.Want(t, "1", "2", "3", "4", "5")
				if p := persistently(t, publisher, "6"); p != (hub.Position{Epoch: before.Epoch, Offset: 6}) {
					t.Errorf("after %+v came %+v", before, p)
				}
				l.Want(t, "1", "2", "3", "4", "5", "6")
				return
			}
			hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() > 0 }, "the subscriber is told")
			wantNewEpoch(t, h, l, before, persistently(t, publisher, "6"))
		})
	}
}

// A counter that is behind refuses all of a batch, also when that is longer than what
// it lacks.
func TestBatchToAnOlderCounter(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h, b := brokerHub(t, r.URL(), keeping)
	hubtest.PublishNumbers(t, h, "chat", 1, 10)
	reached := b.Reached()
	stale := b.PublishArgs("chat", &hub.Message{Data: []byte("1")}, hub.PublishOptions{History: keptHistory})
	known := b.PublishArgs("chat", &hub.Message{Data: []byte("1")}, hub.PublishOptions{History: keptHistory, IdempotencyKey: "k", IdempotencyTTL: time.Minute})
	wantStranger(t, r, known, false)
	redisSays(t, r, "SET", counterKey(t, r), reached-3)
	for range 10 {
		wantStranger(t, r, stale, true)
		wantStranger(t, r, known, true) // which is an answer as well
	}
}

// wantStranger runs the script, and wants it to refuse what Redis is not known to have.
func wantStranger(t *testing.T, r *hubtest.RedisServer, args []any, want bool) {
	t.Helper()
	_, err := askRedis(t, r, append([]any{"EVAL", redisbroker.PublishSource}, args[2:]...)...)
	if got := err != nil && strings.HasPrefix(err.Error(), "VOUCH"); got != want {
		t.Errorf("the script refuses: %t (%v), want %t", got, err, want)
	}
}

// What waits to be sent when Redis is replaced goes by what was known then. It is not
// numbered by the next one before somebody has vouched for that.
func TestStalePublishWhileNobodyVouches(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, onDisk...)
	proxy := hubtest.NewProxy(t, r.Addr())
	h, b := brokerHub(t, r.URL(), keeping)
	redisHubAt(t, "redis://"+proxy.Addr(), keeping)
	first := hubtest.PublishNumbers(t, h, "chat", 1, 5)
	stale := b.PublishArgs("chat", &hub.Message{Data: []byte("1")}, hub.PublishOptions{History: keptHistory})
	term := redisSays(t, r, "HGET", recordKey, "t")
	proxy.Refuse(true) // the other node is waited for
	proxy.Cut()
	r.Stop()
	r.Start()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return redisSays(t, r, "HGET", recordKey, "t") != term }, "the node asks")
	wantStranger(t, r, stale, true)
	proxy.Refuse(false)
	if p := persistently(t, h, "6"); p != (hub.Position{Epoch: first.Epoch, Offset: 6}) {
		t.Errorf("after %+v came %+v", first, p)
	}
	wantStranger(t, r, stale, true)
}

// A node that was cut off knows of less than one that then was acknowledged more, and has
// died. Where that is lost, the first must not say that nothing is.
func TestStaleNodeDoesNotVouch(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t, onDisk...)
	near, far := hubtest.NewProxy(t, r.Addr()), hubtest.NewProxy(t, r.Addr())
	stale, dies := hastyNode(t, "redis://"+near.Addr()), hastyNode(t, "redis://"+far.Addr())
	l := hubtest.ListenForLosses(t, stale, "chat")
	before := hubtest.PublishNumbers(t, dies, "chat", 1, 5)
	l.Want(t, "1", "2", "3", "4", "5")
	less := r.Copy()
	cutOff(near)
	hubtest.PublishNumbers(t, dies, "chat", 6, 8)
	cutOff(far)
	r.Stop()
	r.PutBack(less)
	r.Start()
	near.Refuse(false)
	if p := persistently(t, stale, "again"); p.Epoch == before.Epoch {
		t.Errorf("after %+v, of which three are lost, came %+v", before, p)
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return l.Losses() > 0 }, "the subscriber is told")
}

// cutOff leaves a node without Redis.
func cutOff(p *hubtest.Proxy) {
	p.Refuse(true)
	p.Cut()
}

// A node hears with each message how far the counter has got, before anybody tells.
func TestMessagesTellHowFarTheCounterIs(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	publisher, a := brokerHub(t, r.URL(), keeping)
	h, b := brokerHub(t, r.URL(), keeping)
	rec := hubtest.Listen(t, h, "chat", "r")
	for i := 1; i <= 10; i++ {
		hubtest.Publish(t, publisher, "chat", fmt.Sprint(i))
		rec.Wait(t, i)
		if got, want := b.Reached(), a.Reached(); got < want {
			t.Errorf("after message %d one knows of %d, and who listens of %d", i, want, got)
		}
	}
}

// While Redis refuses what a node needs in order to vouch, nothing is numbered, with
// the reason, and what is there can be read. When it is over all goes on unnoticed.
func TestVouchingIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		start  func(*testing.T) []string
		reason string
		end    []any
	}{
		{"out of memory", func(*testing.T) []string { return []string{"--maxmemory", "1"} }, "Redis is out of memory", []any{"CONFIG", "SET", "maxmemory", "0"}},
		{"read-only", func(t *testing.T) []string {
			return []string{"--replicaof", "127.0.0.1 " + strconv.Itoa(hubtest.FreePort(t))}
		}, "Redis is read-only", []any{"REPLICAOF", "NO", "ONE"}},
		{"too few replicas", func(*testing.T) []string { return []string{"--min-replicas-to-write", "1"} }, "Redis has too few replicas", []any{"CONFIG", "SET", "min-replicas-to-write", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := hubtest.Redis(t, onDisk...)
			publisher, h := redisHub(t, r, keeping), redisHub(t, r, keeping)
			l := hubtest.ListenForLosses(t, h, "chat")
			before := hubtest.Publish(t, publisher, "chat", "before")
			l.Want(t, "before")
			r.Stop()
			r.Start(c.start(t)...)
			wantRefusedAtLast(t, publisher, c.reason)
			hubtest.Eventually(t, hubtest.Patience, func() bool {
				got, err := h.History(t.Context(), "chat", hub.HistoryOptions{Limit: -1})
				return err == nil && len(got.Messages) == 1 && got.Position == before
			}, "the history can be read")
			redisSays(t, r, c.end...)
			if p := persistently(t, publisher, "after"); p != (hub.Position{Epoch: before.Epoch, Offset: 2}) {
				t.Errorf("when it is over: %+v after %+v", p, before)
			}
			l.Want(t, "before", "after")
			if l.Losses() > 0 {
				t.Error("the subscriber was told of a loss")
			}
		})
	}
}

// wantRefusedAtLast publishes until that is refused for a reason.
func wantRefusedAtLast(t *testing.T, h *hub.Hub, reason string) {
	t.Helper()
	var err error
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		err = publishErr(h, "")
		var refused *hub.RefusedError
		return errors.As(err, &refused) && refused.Reason == reason
	}, "publishing is refused: "+reason)
	if !errors.Is(err, hub.ErrUnavailable) {
		t.Errorf("publish: %v, want an ErrUnavailable", err)
	}
}

// A node that may not read the record, or may not write it, is not ready, says so, and
// leaves nothing behind however often it asks.
func TestMissingRightToVouchIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, missing, granted string }{
		{"the record", "~belfry:[^v]*", "~*"},
		{"a command", "-hset", "+hset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--user", "bell", "on", ">s3cret", "&*", "+@all", c.missing}
			if c.missing[0] != '~' {
				args = append(args, "~*")
			}
			r := hubtest.Redis(t, args...)
			h, log := loggedNode(t, "redis://bell:s3cret@"+r.Addr())
			hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(log.String(), "on belfry:vouched") }, "the log says what is refused")
			for range 5 {
				if err := publishErr(h, ""); !errors.Is(err, hub.ErrUnavailable) {
					t.Errorf("publish: %v, want an ErrUnavailable", err)
				}
			}
			if keys := redisSays(t, r, "KEYS", "belfry:vouched*"); keys != "[]" {
				t.Errorf("Redis has %s", keys)
			}
			wantNotReady(t, h, "on belfry:vouched")
			redisSays(t, r, "ACL", "SETUSER", "bell", c.granted)
			waitReady(t, h)
			hubtest.Eventually(t, hubtest.Patience, func() bool { return publishErr(h, "") == nil }, "publishing goes on")
		})
	}
}

// Nobody waits for a vouch, or for a Redis that hangs meanwhile, when the node stops.
func TestNodeStopsWhileNobodyVouches(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprintf("hangs=%t", hangs), func(t *testing.T) {
			t.Parallel()
			r := hubtest.Redis(t, onDisk...)
			proxy := hubtest.NewProxy(t, r.Addr())
			redisHubAt(t, "redis://"+proxy.Addr(), keeping) // is waited for
			term := redisSays(t, r, "HGET", recordKey, "t")
			proxy.Refuse(true)
			proxy.Cut()
			r.Stop()
			r.Start()
			b := redisBroker(t, redisbroker.Options{URL: r.URL()})
			h, stop := hubtest.Run(t, hub.Options{Broker: b, Rules: keeping})
			hubtest.Eventually(t, hubtest.Patience, func() bool { return redisSays(t, r, "HGET", recordKey, "t") != term }, "the node asks")
			answers := make(chan error, 2)
			go func() { answers <- publishErr(h, "") }()
			go func() {
				_, err := h.History(context.Background(), "chat", hub.HistoryOptions{Limit: -1})
				answers <- err
			}()
			if hangs {
				r.Pause()
				defer r.Resume()
			}
			start := time.Now()
			stop()
			for range 2 {
				if err := <-answers; !errors.Is(err, hub.ErrUnavailable) {
					t.Errorf("who waits hears %v, want an ErrUnavailable", err)
				}
			}
			if d := time.Since(start); d > hubtest.Soon {
				t.Errorf("stopping took %s", d)
			}
		})
	}
}

// Failover and back, between two that each have everything in turn, is not noticed;
// when the first has come back without what the second took, everybody is told.
func TestFailoverAndBack(t *testing.T) {
	t.Parallel()
	for _, lags := range []bool{false, true} {
		t.Run(fmt.Sprintf("lags=%t", lags), func(t *testing.T) {
			t.Parallel()
			first, second := hubtest.Redis(t), hubtest.Redis(t)
			proxy := hubtest.NewProxy(t, first.Addr())
			move := func(to *hubtest.RedisServer) {
				proxy.SetTarget(to.Addr())
				proxy.Cut()
			}
			publisher, _ := keepingNode(t, "redis://"+proxy.Addr())
			h, _ := keepingNode(t, "redis://"+proxy.Addr())
			l := hubtest.ListenForLosses(t, h, "chat")
			second.Follow(first)
			hubtest.PublishNumbers(t, publisher, "chat", 1, 3)
			inStep(t, second, first)
			second.Promote()
			move(second)
			if lags {
				persistently(t, publisher, "4")
			} else {
				first.Follow(second)
				persistently(t, publisher, "4")
				inStep(t, first, second)
				first.Promote()
			}
			l.Wait(t, 4)
			before, err := h.History(t.Context(), "chat", hub.HistoryOptions{})
			if err != nil {
				t.Fatal(err)
			}
			move(first)
			after := persistently(t, publisher, "5")
			if lags {
				wantNewEpoch(t, h, l, before.Position, after)
				return
			}
			l.Want(t, "1", "2", "3", "4", "5")
			if after != (hub.Position{Epoch: before.Position.Epoch, Offset: 5}) || l.Losses() > 0 {
				t.Errorf("after %+v came %+v, and %d times told of a loss", before.Position, after, l.Losses())
			}
		})
	}
}

// A connection that leads to another Redis says so. When it has broken before it was let
// in, it says nothing any more: the node connects to where the address leads, and stays.
func TestBrokenConnectionLeadsNowhere(t *testing.T) {
	t.Parallel()
	r, other := hubtest.Redis(t), hubtest.Redis(t)
	b := redisBroker(t, patient(r.URL()))
	h, _ := hubtest.Run(t, hub.Options{Broker: b, Rules: keeping})
	waitReady(t, h)
	r.Stop()
	elsewhere := redis.NewClient(&redis.Options{Addr: other.Addr(), MaxRetries: -1})
	defer elsewhere.Close()
	admitted := make(chan error, 1)
	go func() { admitted <- b.Admit(t.Context(), elsewhere.Conn()) }()
	waitServed(t, other)
	other.Stop()
	r.Start()
	if err := <-admitted; err == nil {
		t.Error("a connection to another Redis was let in")
	}
	waitReady(t, h)
	l := hubtest.ListenForLosses(t, h, "chat")
	persistently(t, h, "1")
	l.Want(t, "1")
	if l.Losses() > 0 {
		t.Error("the connection was given up once more")
	}
}

// waitServed waits until a Redis has answered somebody what it is.
func waitServed(t *testing.T, r *hubtest.RedisServer) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		return strings.Contains(redisSays(t, r, "CLIENT", "LIST"), "cmd=info")
	}, "the connection is asked where it leads")
}

// A Redis that becomes a replica of one that has less, and a master again, has the same
// connections all the time. It is another all the same.
func TestDemotedAndPromoted(t *testing.T) {
	t.Parallel()
	r, other := hubtest.Redis(t), hubtest.Redis(t)
	publisher, _ := keepingNode(t, r.URL())
	h, _ := keepingNode(t, r.URL())
	l := hubtest.ListenForLosses(t, h, "chat")
	hubtest.PublishNumbers(t, publisher, "chat", 1, 5)
	other.Follow(r)
	inStep(t, other, r)
	other.Promote()
	before := persistently(t, publisher, "6")
	l.Wait(t, 6)
	r.Follow(other)
	r.Promote()
	wantNewEpoch(t, h, l, before, persistently(t, publisher, "7"))
}

// A failover behind a name that cuts no connection: the nodes are still connected to
// the former master, which is a replica now, or has not heard of it. They go where the
// name leads; what a master goes on to acknowledge of which nobody knows is lost, and told.
func TestNameLeadsElsewhere(t *testing.T) {
	t.Parallel()
	for _, demoted := range []bool{true, false} {
		t.Run(fmt.Sprintf("demoted=%t", demoted), func(t *testing.T) {
			t.Parallel()
			first, second := hubtest.Redis(t), hubtest.Redis(t)
			name := hubtest.NewProxy(t, first.Addr())
			publisher, _ := keepingNode(t, "redis://"+name.Addr())
			h, _ := keepingNode(t, "redis://"+name.Addr())
			l := hubtest.ListenForLosses(t, h, "chat")
			second.Follow(first)
			before := hubtest.PublishNumbers(t, publisher, "chat", 1, 3)
			inStep(t, second, first)
			second.Promote()
			if !demoted {
				before = hubtest.Publish(t, publisher, "chat", "lost")
			}
			name.SetTarget(second.Addr())
			if !demoted {
				waitSubscribed(t, second, 2)
				wantNewEpoch(t, h, l, before, persistently(t, publisher, "4"))
				return
			}
			first.Follow(second)
			persistently(t, publisher, "4")
			l.Want(t, "1", "2", "3", "4")
			waitSubscribed(t, second, 2)
		})
	}
}

// waitSubscribed waits until so many nodes have their Pub/Sub connection with a Redis.
func waitSubscribed(t *testing.T, r *hubtest.RedisServer, nodes int) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		return strings.Contains(redisSays(t, r, "PUBSUB", "NUMSUB", "belfry:nodes"), fmt.Sprint(nodes))
	}, "the nodes listen there")
}
