package redisbroker_test

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// link is a way to a Redis whose answers can be made to stand still after some
// more bytes.
type link struct {
	listener net.Listener
	redis    string
	open     sync.WaitGroup
	closed   chan struct{}

	mu    sync.Mutex // guards what follows
	left  int        // bytes until the answers stand still, negative: never
	still time.Duration
}

func newLink(t *testing.T, r *hubtest.RedisServer) *link {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l, redis: r.Addr(), left: -1, closed: make(chan struct{})}
	k.open.Go(k.accept)
	t.Cleanup(func() { close(k.closed); _ = l.Close(); k.open.Wait() })
	return k
}

func (k *link) URL() string { return "redis://" + k.listener.Addr().String() }

func (k *link) accept() {
	for {
		client, err := k.listener.Accept()
		if err != nil {
			return
		}
		k.open.Go(func() { k.carry(client) })
	}
}

func (k *link) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", k.redis)
	if err != nil {
		return
	}
	k.open.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
	buf := make([]byte, 1000)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-time.After(k.delay(n)):
		case <-k.closed:
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (k *link) delay(n int) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left < 0 {
		return 0
	}
	if k.left -= n; k.left < 0 {
		return k.still
	}
	return 0
}

// standStill makes the answers wait once, after about so many bytes.
func (k *link) standStill(after int, d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.still = after, d
}

// A message that comes in two parts is nothing to give up a connection for, and
// nothing is lost: not even when Redis is asked meanwhile whether it is there.
func TestRedisMessageComesInParts(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	k := newLink(t, r)
	near, _ := redisNodes(t, r, 1)
	_, rec, log := farNode(t, k, 6*time.Second) // asks after four, and gives up after twelve
	hubtest.Publish(t, near[0], "chat", "first")
	rec.Want(t, "first")
	k.standStill(30_000, 5*time.Second)
	big := strings.Repeat("+", 60_000)
	hubtest.Publish(t, near[0], "chat", big)
	hubtest.Publish(t, near[0], "chat", "last")
	rec.Want(t, "first", big, "last")
	wantOneConnection(t, log)
}

// farNode runs a hub behind a link, with one subscriber.
func farNode(t *testing.T, k *link, timeout time.Duration) (*hub.Hub, *hubtest.Recorder, *hubtest.Log) {
	t.Helper()
	log := new(hubtest.Log)
	b := redisBroker(t, redisbroker.Options{URL: k.URL(), Timeout: timeout, Logger: slog.New(slog.NewTextHandler(log, nil))})
	h, _ := hubtest.Run(t, hub.Options{Broker: b})
	waitReady(t, h)
	return h, hubtest.Listen(t, h, "chat", "far"), log
}

// wantOneConnection checks that the node has not lost its Pub/Sub connection.
func wantOneConnection(t *testing.T, log *hubtest.Log) {
	t.Helper()
	if n := strings.Count(log.String(), "connected to Redis"); n != 1 {
		t.Errorf("the node has connected %d times:\n%s", n, log)
	}
}

// A connection on which nothing moves any more, though it is open, is given up.
func TestRedisConnectionStandsStill(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	k := newLink(t, r)
	near, _ := redisNodes(t, r, 1)
	_, rec, _ := farNode(t, k, redisbroker.DefaultTimeout)
	hubtest.Publish(t, near[0], "chat", "first")
	rec.Want(t, "first")
	k.standStill(0, time.Hour)
	hubtest.Publish(t, near[0], "chat", "lost")
	wantAlive(t, near[0], "chat", rec)
	if data := rec.Data(); data[1] != "alive" {
		t.Errorf("the connection that stood still brought %q", data)
	}
}

// A connection on which nothing is said is kept.
func TestRedisQuietConnectionIsKept(t *testing.T) {
	t.Parallel()
	k := newLink(t, hubtest.Redis(t))
	h, rec, log := farNode(t, k, 3*time.Second)
	time.Sleep(7 * time.Second) // longer than a silence without pings may be
	hubtest.Publish(t, h, "chat", "1")
	rec.Want(t, "1")
	wantOneConnection(t, log)
}

// The Pub/Sub connection of a node is cut: its subscribers of a channel without history
// may have missed messages, and are told once. Those of other nodes are not, and no one
// when all that has happened is that Redis has lost what it had.
func TestGapWithoutHistoryIsToldOnce(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	proxy := hubtest.NewProxy(t, r.Addr())
	rules := hub.Rules{{Match: "plain"}, keepingRule}
	far, near := redisHubAt(t, "redis://"+proxy.Addr(), rules), redisHub(t, r, rules)
	cut, whole := hubtest.ListenForLosses(t, far, "plain"), hubtest.ListenForLosses(t, near, "plain")
	kept := hubtest.ListenForLosses(t, near, "chat")
	hubtest.Publish(t, near, "chat", "1")
	kept.Want(t, "1")
	redisSays(t, r, "FLUSHALL")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return kept.Losses() > 0 }, "a loss of what was kept is told")
	if cut.Losses()+whole.Losses() != 0 {
		t.Error("those who had no history were told of its loss")
	}
	proxy.Cut()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return cut.Losses() == 1 }, "the loss is told")
	wantAlive(t, near, "plain", cut.Recorder)
	if cut.Losses() != 1 || whole.Losses() != 0 {
		t.Errorf("told %d times, and %d of another node, want 1 and 0", cut.Losses(), whole.Losses())
	}
}
