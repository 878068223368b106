package access

import (
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"belfry/web/fault"
)

const (
	// freeTries is how many wrong keys an address may show before it is told to
	// wait.
	freeTries = 5
	// longestWait is the longest that an address is told to wait, and how long it is
	// remembered after its last wrong key.
	longestWait = time.Minute
	// maxAddresses is how many addresses are remembered. When there are more, all
	// begin anew: a flood from everywhere is bounded by the log alone.
	maxAddresses = 4096
	// logEvery is how often wrong keys are logged at most, while they go on.
	logEvery = 10 * time.Second
)

var errManyKeys = fault.New(fault.TooMany, "too many wrong API keys from this address; the right one is taken at once")

// wrongKeys remembers who has shown wrong keys. It is safe for several goroutines.
type wrongKeys struct {
	logger *slog.Logger

	mu       sync.Mutex // guards what follows
	tries    map[netip.Prefix]tries
	last     time.Time // when the last one was shown
	remote   string    // and by whom
	unlogged int       // how many were since the last line in the log
	logged   time.Time // when that was
}

// tries are the wrong keys of one address.
type tries struct {
	count int
	last  time.Time
}

func newWrongKeys(logger *slog.Logger) *wrongKeys {
	return &wrongKeys{logger: logger, tries: make(map[netip.Prefix]tries)}
}

// note notes a wrong key and returns what its sender hears.
func (w *wrongKeys) note(remote string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, from := time.Now(), network(remote)
	t := w.tries[from]
	if now.Sub(t.last) > longestWait {
		t.count = 0
	}
	if t.count == 0 && len(w.tries) >= maxAddresses {
		clear(w.tries)
	}
	t = tries{t.count + 1, now}
	w.tries[from] = t
	w.last, w.remote = now, remote
	w.unlogged++
	if t.count <= freeTries {
		return errUnauthorized
	}
	wait := min(longestWait, time.Second<<min(t.count-freeTries-1, 6))
	return errManyKeys.With("Retry-After", strconv.Itoa(int(wait.Seconds())))
}

// advance writes one line on the wrong keys since the last one, and forgets
// addresses. It is called once a second, so that a few keys are a line as soon as
// they were shown, and many are not many lines.
func (w *wrongKeys) advance() {
	w.mu.Lock()
	now, count, remote := time.Now(), w.unlogged, w.remote
	if now.Sub(w.last) > longestWait {
		clear(w.tries)
	}
	if count == 0 || now.Sub(w.logged) < logEvery {
		w.mu.Unlock()
		return
	}
	w.unlogged, w.logged = 0, now
	w.mu.Unlock()
	w.logger.Warn("wrong API keys were shown", "count", count, "remote", remote)
}

// network is whose address it is: one address of IPv4, and a /64 of IPv6, which is
// what one customer gets.
func network(remote string) netip.Prefix {
	address, _ := netip.ParseAddrPort(remote)
	ip := address.Addr().Unmap()
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // of no address: none, which is one for all
	return p
}
