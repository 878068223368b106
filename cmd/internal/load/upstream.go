package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// upstreams is how many connections carry what sessions over HTTP say. They
	// share them, which saves descriptors; to the server each is one request.
	upstreams = 4
	// ackBytes and ackEvery are after how much, and how often when there is
	// something new, a client acknowledges what came on a stream.
	ackBytes = 64 << 10
	ackEvery = 15 * time.Second
	// ackStep is how often it is looked for sessions whose time has come.
	ackStep = 50 * time.Millisecond
	// upstreamWait is how long the answer to one request may take.
	upstreamWait = 5 * time.Second
	// goodbye is all that is said in the end.
	goodbye = `["close",1000,""]` + "\n"
)

// upstream is a connection for short requests, one after another. It is opened
// when it is needed, and again when the server has closed it.
type upstream struct {
	dialer *dialer
	conn   net.Conn // nil: closed
	r      *bufio.Reader
}

// acknowledger says for all sessions what they have got. A long-poll says so by
// itself.
type acknowledger struct {
	due  chan *carried  // room for each
	idle chan *upstream // connections that nobody uses

	mu  sync.Mutex // guards what follows
	err error      // the first; nothing is said after it
}

func newAcknowledger(subscribers int, d *dialer) *acknowledger {
	a := &acknowledger{due: make(chan *carried, subscribers), idle: make(chan *upstream, upstreams)}
	for range upstreams {
		a.idle <- &upstream{dialer: d}
	}
	return a
}

// close is called when nothing is said any more.
func (a *acknowledger) close() {
	for range upstreams {
		(<-a.idle).close()
	}
}

// acknowledge acknowledges from goroutines of its own, which stop ends and waits
// for. Each session has its turn in ackEvery, one after another: so the smallest
// part of that time costs as much as any other.
func (r *run) acknowledge(ctx context.Context) (stop func() error) {
	a := r.acknowledger
	if !r.Transport.overHTTP() || r.Transport == Poll {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { r.goRound(ctx) })
	for range upstreams {
		all.Go(func() { a.work(ctx) })
	}
	return func() error {
		cancel()
		all.Wait()
		return a.fault()
	}
}

func (r *run) goRound(ctx context.Context) {
	step := time.NewTicker(ackStep)
	defer step.Stop()
	for began, turn := time.Now(), 0; ; {
		select {
		case <-step.C:
		case <-ctx.Done():
			return
		}
		for ; turn < int(time.Since(began)*time.Duration(r.Subscribers)/ackEvery); turn++ {
			r.acknowledger.queue(r.subscribers[turn%r.Subscribers].carried)
		}
	}
}

func (a *acknowledger) queue(c *carried) {
	if !c.owing.Swap(true) {
		a.due <- c // there is room for each once
	}
}

// owe counts what has come, and has it acknowledged when it is much.
func (c *carried) owe(size int) {
	c.owed += size
	if c.owed >= ackBytes && c.run.Transport != Poll {
		c.owed = 0
		c.run.acknowledger.queue(c)
	}
}

func (a *acknowledger) work(ctx context.Context) {
	for {
		select {
		case c := <-a.due:
			c.owing.Store(false)
			if n := c.got.Load(); n != c.acked.Swap(n) {
				a.say(c, n, "")
			}
		case <-ctx.Done():
			return
		}
	}
}

// say sends lines of a session that has got n. After an error it says nothing.
func (a *acknowledger) say(c *carried, n uint64, lines string) {
	u := <-a.idle
	defer func() { a.idle <- u }()
	if a.fault() != nil {
		return
	}
	if err := u.post(c, n, lines); err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.err = fmt.Errorf("acknowledging: %w", err)
	}
}

func (a *acknowledger) fault() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// post tries it twice: the server may close a connection that was quiet for long,
// and it takes nothing twice.
func (u *upstream) post(c *carried, n uint64, lines string) error {
	status, body, err := u.ask(c, n, lines)
	if err != nil {
		status, body, err = u.ask(c, n, lines)
	}
	// A session that has ended is counted where its last line is read.
	if err == nil && status != "200 OK" && status != "404 Not Found" {
		err = fmt.Errorf("%s %.300s", status, bytes.TrimSpace(body))
	}
	return err
}

// ask closes the connection after an error.
func (u *upstream) ask(c *carried, n uint64, lines string) (status string, body []byte, err error) {
	if err := u.open(); err != nil {
		return "", nil, err
	}
	b := appendTarget([]byte("POST "), c.url)
	b = fmt.Appendf(b, "via=send&session=%s&first=1&got=%d HTTP/1.1\r\nHost: %s\r\n", c.session, n, c.url.Host)
	b = fmt.Appendf(b, "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(lines), lines)
	if _, err = u.conn.Write(b); err == nil {
		status, body, err = readAnswer(u.r)
	}
	if err != nil {
		u.close()
	}
	return status, body, err
}

// open opens the connection if it is closed, and gives it time for one request.
func (u *upstream) open() error {
	if u.conn == nil {
		conn, err := u.dialer.dial(context.Background(), 0, nil) // has a limit of its own
		if err != nil {
			return err
		}
		u.conn, u.r = conn, bufio.NewReader(conn)
	}
	return u.conn.SetDeadline(time.Now().Add(upstreamWait))
}

func (u *upstream) close() {
	if u.conn != nil {
		_ = u.conn.Close()
		u.conn = nil
	}
}

// sayGoodbye ends the session, so that the server does not wait for its client.
func (c *carried) sayGoodbye() {
	if c.session != "" {
		c.run.acknowledger.say(c, c.got.Load(), goodbye)
	}
}
