package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// A Redis that comes back need not have what it had: an older copy was put back, a
// replica was promoted that had not caught up, a volume was rolled back. What it
// numbers then has the offsets of messages that clients have already, and nobody
// would notice. So somebody has to vouch for the Redis that is here, before anything
// is numbered.
//
// What is kept in Redis, once (of a cluster it will be once in each partition, since
// partitions fail one by one):
//
//   - The counter is of all messages with a position. The publish script adds to it,
//     in the same step in which it keeps the message, so that a Redis that has got as
//     far as a number has every message up to it: what is replicated, logged and
//     copied is always a beginning of what was done. Each node remembers the highest
//     number it has seen: in the answers to its publishes, at the end of each message
//     that comes, when it asks, once a second, and when others who publish tell, twenty
//     times a second.
//   - The generation is four letters, with which every epoch begins. A new generation
//     is a new epoch for every channel, when somebody next publishes, subscribes or
//     compares its position.
//   - The term is the name of a stretch of the counter in one run of Redis. A run is
//     one process, by its run ID, between two changes of what it replicates, by its
//     replication ID. The record says for which run the term is, and how far the
//     counter had got at the end of each term before.
//
// A node that finds the run of the record goes on. Otherwise Redis was started again,
// or it is another. Whoever finds that first ends the term, and begins one by which
// nothing is numbered until the nodes have vouched that were there within ten seconds of
// the end: each believes in the last term that was vouched for, and knows of no higher
// number than that with which it has ended. Then it goes on in the same generation, and
// nobody notices. When a node knows of more, or believes in a term that the record does
// not have, a new generation begins. So it does when there is no record, and when one of
// those nodes does not come within three seconds: it may have known of more than the
// others, who may have been cut off from Redis or had no time to listen. A node that
// was just started, and so knows nothing, waits for the others, for up to five seconds.
//
// So much for one who asks. Nobody else gets to number anything, because:
//
//   - The script names the counter by the term that its node believes in, and says
//     how far that has got. Where the term has ended, or never was, there is no such
//     counter, and in any other Redis it is behind; then the script refuses, and nothing
//     was done.
//   - A connection is used only if it goes to the process that the node has asked.
//     Those to an earlier one are closed before it asks another, and what is still
//     answered over them counts as not answered. So what was made ready to be sent to
//     one Redis, and goes by what was known then, comes to another when its term has
//     ended.
//
// What follows:
//
//   - Redis restarts with everything: the counter is where the nodes know it to be, or
//     further, and they vouch. When a node dies at the same time, a generation begins
//     although nothing was lost.
//   - An older copy is put back, or a lagging replica is promoted: the record has an
//     older term, or the counter is behind what some node knows, and a generation
//     begins. A replica that lacks nothing is vouched for.
//   - Failover and back: each is another run. A former master that comes back as it
//     was has not the newest term.
//   - Two masters: a node that stays behind with the former one comes to the new one
//     with a term that has ended there. If it has seen that term go on for longer, its
//     messages are lost, and a generation begins although the numbers here are higher.
//   - FLUSHALL, and a Redis that starts empty: there is no record, and no counter for
//     the script.
//   - All nodes restart: the run is that of the record, and they go on. If Redis has
//     restarted as well, nobody alive knows how far it was, and a generation begins,
//     also when nothing was lost.
//
// What is left: an older copy does not have the nodes that were started after it was
// made, and so nobody waits for them. One of them may have had messages acknowledged for
// a twentieth of a second of which no other node has heard. It is found when that node
// comes, which begins a generation; never, when it has died at the same time.
//
// It costs a publish one more command inside the script, which another that is not
// needed each time makes room for (publish.lua), and no round trip.

const (
	// checkEvery is how often a node asks.
	checkEvery = time.Second
	// witnessPatience is how long a node that can vouch waits for those who may know
	// better, and strangerPatience one that cannot for those who can.
	witnessPatience  = 3 * time.Second
	strangerPatience = 5 * time.Second
	// askAgain is the pause meanwhile.
	askAgain = 50 * time.Millisecond
)

var (
	errNotAsked = fmt.Errorf("%w: nothing is known yet of what this Redis has", hub.ErrUnavailable)
	errWaiting  = fmt.Errorf("%w: Redis is another than it was, and nobody has vouched for it yet", hub.ErrUnavailable)
	errMoved    = errors.New("the address leads to another Redis now")
)

// footing is where a node stands with Redis. It is not changed; there is a new one.
type footing struct {
	process string        // the run ID of the Redis to which connections go, empty before the first
	belief  *belief       // nil before the first
	err     error         // why nothing may be numbered, or nil
	changed chan struct{} // closed when there is another footing
}

// voucher keeps a node's footing. Its methods are safe for several goroutines, but
// check and settle, which are for one.
type voucher struct {
	keys     keys
	logger   *slog.Logger
	refusals *refusals
	options  redis.Options // of a connection of its own
	node     string
	rights   string        // see [keys.needs]
	patience time.Duration // with those who may know better
	footing  atomic.Pointer[footing]
	moved    chan struct{} // holds a token when the node has published
	doubts   chan struct{} // holds one when somebody doubts the footing
	moves    chan struct{} // holds one when a connection was made to another process
	stopped  chan struct{} // closed when there will be no other footing
	conns    conns         // those that publishers and readers use
}

func newVoucher(k keys, o redis.Options, r *refusals, logger *slog.Logger) *voucher {
	v := &voucher{
		keys: k, logger: logger, refusals: r, options: o, node: hub.NewEpoch(), rights: k.needs(),
		moved: make(chan struct{}, 1), doubts: make(chan struct{}, 1), moves: make(chan struct{}, 1), stopped: make(chan struct{}), conns: conns{open: make(map[net.Conn]struct{})},
	}
	v.options.PoolSize = 1
	v.footing.Store(&footing{err: errNotAsked, changed: make(chan struct{})})
	return v
}

// dial returns a client with which one Redis is asked, over one connection.
func (v *voucher) dial() *redis.Client {
	o := v.options
	c := redis.NewClient(&o)
	c.AddHook(v.refusals)
	return c
}

// stand takes up a footing. A fault that is found again is a new footing, for those who
// wait for it.
func (v *voucher) stand(process string, b *belief, err error) {
	old := v.footing.Load()
	if old.process == process && old.belief == b && old.err == nil && err == nil {
		return
	}
	v.take(&footing{process, b, err, make(chan struct{})})
}

func (v *voucher) take(f *footing) { close(v.footing.Swap(f).changed) }

// unreached notes why there is no connection, for those who ask before the first.
func (v *voucher) unreached(err error) {
	if f := v.footing.Load(); f.belief == nil {
		v.stand(f.process, nil, unavailable("connect", unsentError{err}))
	}
}

// settle asks a Redis that was just connected to until it is known whether its
// numbering goes on. It reports whether a generation has begun that the node did not
// know. An error says that the connection is of no use.
func (v *voucher) settle(ctx context.Context, c *redis.Conn) (begun bool, err error) {
	began, before := time.Now(), v.footing.Load().belief
	for {
		patience := strangerPatience
		if b := v.footing.Load().belief; b != nil {
			patience = v.patience
		}
		begun, err = v.check(ctx, c, time.Since(began) > patience)
		if err != nil || !errors.Is(v.footing.Load().err, errWaiting) {
			return begun && before != nil, err
		}
		_ = c.Publish(ctx, v.keys.counts(), "").Err() // those who are connected ask as well
		pause(ctx, askAgain)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
}

// check asks once. What Redis refuses is no error: it is why nothing is numbered.
func (v *voucher) check(ctx context.Context, c *redis.Conn, last bool) (begun bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, v.options.ReadTimeout)
	defer cancel()
	id, err := identify(ctx, c)
	if reply := redis.Error(nil); errors.As(err, &reply) && mendOf(reply) != "" {
		v.refusals.lasts("to say which it is", reply, mendOf(reply))
	}
	if err != nil {
		return false, err
	}
	old := v.footing.Load()
	if old.process != "" && old.process != id.process {
		v.leave(old)
	}
	if err := v.fit(ctx, c, id); err != nil {
		return false, v.refuse(id, old.belief, err)
	}
	if isUnfit(old.err) {
		v.refusals.ended()
	}
	b, outcome, err := v.ask(ctx, c, id, old.belief, last)
	switch {
	case err != nil && isReply(err):
		v.stand(id.process, old.belief, unavailable("vouch", err))
		return false, nil
	case err != nil:
		return false, err
	case outcome == "wait":
		v.stand(id.process, old.belief, errWaiting)
		return false, nil
	}
	v.stand(id.process, b, nil)
	begun = old.belief != nil && b.generation != old.belief.generation
	v.tell(outcome, begun)
	return begun, nil
}

// nowhere is the process of a footing between two.
const nowhere = "nowhere"

// leave ends what the node has to do with an earlier process. No connection is let in
// until the next one was asked, because what waits to be sent over it goes by the term
// that this ends.
func (v *voucher) leave(old *footing) {
	v.stand(nowhere, old.belief, errWaiting)
	v.conns.close()
	if old.belief != nil {
		old.belief.left.Store(true)
	}
}

// ask runs the script. The belief is the old one when nothing is new.
func (v *voucher) ask(ctx context.Context, c *redis.Conn, id identity, old *belief, last bool) (*belief, string, error) {
	term, highest, final := "", uint64(0), 0
	if old != nil {
		term, highest = old.term, old.highest.Load()
	}
	if last {
		final = 1
	}
	reply, err := vouchScript.Run(ctx, c, []string{v.keys.record(), v.keys.asking()},
		v.keys.counter(""), id.run(), v.node, term, highest, hub.NewEpoch(), newGeneration(), final).StringSlice()
	if err != nil {
		return nil, "", err
	}
	if len(reply) == 1 && reply[0] == "wait" {
		return old, "wait", nil
	}
	if len(reply) != 4 || len(reply[1]) != generationSize {
		return nil, "", fmt.Errorf("vouch script: %q came", reply)
	}
	count, err := parseCount(reply[3])
	if err != nil {
		return nil, "", fmt.Errorf("vouch script: %w", err)
	}
	if old != nil && old.term == reply[2] && !old.left.Load() {
		old.saw(count)
		return old, reply[0], nil
	}
	b := &belief{generation: reply[1], term: reply[2], counter: v.keys.counter(reply[2])}
	b.saw(count)
	return b, reply[0], nil
}

// tell logs what matters to who looks after the site.
func (v *voucher) tell(outcome string, begun bool) {
	switch {
	case begun:
		v.logger.Warn("Redis may not have every message that was acknowledged: all channels begin a new epoch, and clients are told")
	case outcome == "begun":
		v.logger.Info("nobody vouches for what this Redis had: all channels begin a new epoch")
	case outcome == "vouched":
		v.logger.Info("Redis is another than it was, and has everything that this node knows of")
	}
}

// watch asks once a second, and when somebody doubts, until the connection is of no
// use or the address leads elsewhere.
func (v *voucher) watch(ctx context.Context, c *redis.Conn, begun func()) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-v.moves:
			return errMoved
		case <-v.doubts:
		case <-tick.C:
		}
		new, err := v.settle(ctx, c)
		if err != nil {
			return fmt.Errorf("vouch: %w", err)
		}
		if new {
			begun()
		}
	}
}

// retire tells what this node knows before it stops, and that nobody has to wait for it.
// Nothing is published any more.
func (v *voucher) retire(ctx context.Context) {
	b := v.footing.Load().belief
	if b == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, v.options.ReadTimeout)
	defer cancel()
	c := v.dial()
	defer c.Close()
	if c.Publish(ctx, v.keys.counts(), b.report()).Err() == nil {
		_ = c.ZRem(ctx, v.keys.asking(), v.node).Err()
	}
}

// firm returns the belief when something may be numbered. It waits for that while
// Redis was not asked yet, or nobody has vouched; when Redis has refused, it asks once
// more.
func (v *voucher) firm(ctx context.Context) (*belief, error) {
	for again := false; ; again = true {
		f := v.footing.Load()
		waits := errors.Is(f.err, errWaiting) || errors.Is(f.err, errNotAsked)
		if f.err == nil || !waits && (again || f.belief == nil) {
			return f.belief, f.err
		}
		if !waits {
			raise(v.doubts)
		}
		select {
		case <-f.changed:
		case <-v.stopped:
			return nil, errStopped
		case <-ctx.Done():
			return nil, f.err
		}
	}
}

// readable returns what the node believes when it may ask for positions, which is also
// when Redis takes no messages.
func (v *voucher) readable(ctx context.Context) (*belief, error) {
	f := v.footing.Load()
	if f.belief == nil || errors.Is(f.err, errWaiting) {
		return v.firm(ctx)
	}
	return f.belief, nil
}

// believing has something asked by the belief, and once more when Redis is not known to
// have what it had and somebody has vouched then. It returns the error of Redis, or one
// that wraps [hub.ErrUnavailable] when nothing was asked.
func (v *voucher) believing(ctx context.Context, ask func(*belief) error) error {
	b, err := v.readable(ctx)
	if err != nil {
		return err
	}
	if err = ask(b); !isStranger(err) {
		return err
	}
	if b, err = v.renewed(ctx, b); err != nil {
		return err
	}
	return ask(b)
}

// renewed returns a belief other than the one that Redis has refused, or why there is
// none, after Redis was asked once more.
func (v *voucher) renewed(ctx context.Context, refused *belief) (*belief, error) {
	for again := false; ; again = true {
		f := v.footing.Load()
		if f.belief != refused && f.err == nil {
			return f.belief, nil
		}
		if again && f.err != nil && !errors.Is(f.err, errWaiting) {
			return nil, f.err
		}
		raise(v.doubts)
		select {
		case <-f.changed:
		case <-v.stopped:
			return nil, errStopped
		case <-ctx.Done():
			return nil, errWaiting
		}
	}
}

// admit lets a new connection be used when it goes to the process that the node has
// asked. It waits for that to be asked. Before the first was asked, any will do that
// all go to. It asks again after each wait: a connection that has broken meanwhile says
// nothing of where the address leads.
func (v *voucher) admit(ctx context.Context, c *redis.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, v.options.ReadTimeout)
	defer cancel()
	for {
		process, err := field(ctx, c, "server", "run_id")
		if err != nil {
			return err
		}
		f := v.footing.Load()
		switch f.process {
		case process:
			return nil
		case "":
			if v.footing.CompareAndSwap(f, &footing{process, f.belief, f.err, make(chan struct{})}) {
				close(f.changed)
			}
			continue
		}
		raise(v.moves)
		select {
		case <-f.changed:
		case <-v.stopped:
			return errStopped
		case <-ctx.Done():
			return errWaiting
		}
	}
}

// identity is which Redis answers.
type identity struct {
	process, replication string
	replica, sentinel    bool
}

func (id identity) run() string { return id.process + "/" + id.replication }

func identify(ctx context.Context, c *redis.Conn) (id identity, err error) {
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		return id, fmt.Errorf("ask which Redis this is: %w", err)
	}
	id.process, id.sentinel = fieldOf(info, "run_id"), fieldOf(info, "redis_mode") == "sentinel"
	info, err = c.Info(ctx, "replication").Result()
	if err != nil {
		return id, err
	}
	id.replication, id.replica = fieldOf(info, "master_replid"), fieldOf(info, "role") == "slave"
	return id, nil
}

// field asks for one field of a section of INFO.
func field(ctx context.Context, c *redis.Conn, section, name string) (string, error) {
	info, err := c.Info(ctx, section).Result()
	if err != nil {
		return "", fmt.Errorf("ask which Redis this is: %w", err)
	}
	return fieldOf(info, name), nil
}

func fieldOf(info, name string) string {
	_, rest, _ := strings.Cut("\n"+info, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(value)
}
