package policy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/policy"
)

// patience is how long a test waits for what must happen. It only bounds how long
// a test hangs: nothing that is measured may depend on it.
const patience = time.Minute

func TestServerAnswersEverySplit(t *testing.T) {
	server := start(t, policy.Options{})
	for split := 1; split < len(policy.Request); split++ {
		client := dial(t, server)
		send(t, client, policy.Request[:split])
		send(t, client, policy.Request[split:])
		wantReply(t, client)
	}
}

func TestServerAnswersByteByByte(t *testing.T) {
	client := dial(t, start(t, policy.Options{}))
	for i := range policy.Request {
		send(t, client, policy.Request[i:i+1])
		time.Sleep(time.Millisecond) // apart on the wire; right without it, too
	}
	wantReply(t, client)
}

func TestServerAnswersWithoutNUL(t *testing.T) {
	client := dial(t, start(t, policy.Options{}))
	send(t, client, policy.Request[:22])
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantReply(t, client)
}

func TestServerRepliesWithOneNULAtTheEnd(t *testing.T) {
	client := dial(t, start(t, policy.Options{}))
	send(t, client, policy.Request)
	got, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(got, []byte{0}) != 1 || got[len(got)-1] != 0 {
		t.Errorf("reply %q, want one NUL and that at the end", got)
	}
	if !bytes.HasPrefix(got, []byte("<?xml")) {
		t.Errorf("reply %q, want nothing before the declaration", got)
	}
}

func TestServerClosesOnWrongInput(t *testing.T) {
	server := start(t, policy.Options{})
	for _, c := range []struct {
		name, in string
		fin      bool
	}{
		{name: "garbage", in: "hello"},
		{name: "HTTP", in: "GET /crossdomain.xml HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{name: "NUL", in: "\x00"},
		{name: "line end for NUL", in: policy.Request[:22] + "\r\n"},
		{name: "too long", in: policy.Request[:22] + strings.Repeat(" ", 100_000)},
		{name: "closed at once", in: "", fin: true},
		{name: "closed too early", in: policy.Request[:21], fin: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := dial(t, server)
			client.Write([]byte(c.in)) // may be reset half-way, as it should
			if c.fin {
				client.CloseWrite()
			}
			wantNothing(t, client)
		})
	}
}

func TestServerClosesSilentClients(t *testing.T) {
	server := start(t, policy.Options{Deadline: 30 * time.Millisecond})
	for _, sent := range []string{"", "<", policy.Request[:22]} {
		client := dial(t, server)
		send(t, client, sent)
		wantNothing(t, client)
	}
}

// However many clients say nothing, one that asks is answered: the oldest of them go.
func TestServerClosesTheOldestSilentClients(t *testing.T) {
	const most, flood = 8, 20
	server := start(t, policy.Options{MaxConns: most, Deadline: time.Hour})
	begun := dial(t, server)
	send(t, begun, "<") // which is not yet asking
	var silent []*net.TCPConn
	for range flood {
		silent = append(silent, dial(t, server))
		asking := dial(t, server)
		send(t, asking, policy.Request)
		wantReply(t, asking)
		asking.Close()
	}
	wantNothing(t, begun)
	for _, client := range silent[:flood-most] {
		wantNothing(t, client) // with an hour to go, so by the limit
	}
	last := silent[flood-1]
	send(t, last, policy.Request)
	wantReply(t, last)
}

// Clients that have asked and do not go make room, too.
func TestServerClosesTheOldestWhenAllHaveAsked(t *testing.T) {
	server := start(t, policy.Options{MaxConns: 2, Deadline: time.Hour})
	for range 10 {
		client := dial(t, server)
		send(t, client, policy.Request)
		wantReply(t, client)
	}
}

func TestServerWithManyClients(t *testing.T) {
	server := start(t, policy.Options{Deadline: patience})
	var clients sync.WaitGroup
	for range 300 {
		clients.Go(func() {
			client, err := net.Dial("tcp", server.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer client.Close()
			client.SetDeadline(time.Now().Add(patience))
			client.Write([]byte(policy.Request))
			got, err := io.ReadAll(client)
			if want := testPolicy(t).Socket(); !bytes.Equal(got, want) || err != nil {
				t.Errorf("reply %q and %v, want %q", got, err, want)
			}
		})
	}
	clients.Wait()
}

func TestServerWithManySilentClients(t *testing.T) {
	server := start(t, policy.Options{Deadline: time.Hour})
	for range 200 {
		dial(t, server)
	}
	client := dial(t, server)
	send(t, client, policy.Request)
	wantReply(t, client)
}

func TestRunLeavesNothingBehind(t *testing.T) {
	until(t, "those of other tests are gone", func() bool { return goroutines() == 0 })
	ctx, cancel := context.WithCancel(t.Context())
	server := listen(t, policy.Options{Deadline: patience})
	result := make(chan error, 1)
	go func() { result <- server.Run(ctx) }()

	var clients []*net.TCPConn
	for range 20 {
		client := dial(t, server)
		send(t, client, "<policy")
		clients = append(clients, client)
	}
	until(t, "Run and 20 clients are there", func() bool { return goroutines() == 21 })

	ended := time.Now()
	cancel()
	if err := <-result; err != nil {
		t.Errorf("Run = %v, want nil when its context ends", err)
	}
	if took := time.Since(ended); took > patience/2 {
		t.Errorf("Run took %v to end, as if it waited for silent clients", took)
	}
	for _, client := range clients {
		wantNothing(t, client)
	}
	until(t, "all goroutines are gone", func() bool { return goroutines() == 0 })
	if conn, err := net.Dial("tcp", server.Addr().String()); err == nil {
		conn.Close()
		t.Error("the address still accepts connections")
	}
}

func TestCloseEndsRun(t *testing.T) {
	server := listen(t, policy.Options{})
	result := make(chan error, 1)
	go func() { result <- server.Run(t.Context()) }()
	if err := server.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run = %v, want net.ErrClosed", err)
	}
	if err := server.Close(); err == nil {
		t.Error("a second Close = nil, want an error")
	}
}

func TestListenLogsItsAddress(t *testing.T) {
	var log bytes.Buffer
	server := listen(t, policy.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	want := `msg="Flash server listening" addr=` + server.Addr().String() + "\n"
	if !strings.HasSuffix(log.String(), want) || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("log %q, want one line with %q", log.String(), want)
	}
}

func TestListenRefuses(t *testing.T) {
	taken := listen(t, policy.Options{}).Addr().String()
	p := testPolicy(t)
	for _, c := range []struct {
		name string
		opts policy.Options
		want []string
	}{
		{"no policy", policy.Options{Addr: "127.0.0.1:0"}, []string{"no policy"}},
		{"no address", policy.Options{Policy: p}, []string{"no address", `":843"`}},
		{"negative deadline", policy.Options{Addr: taken, Policy: p, Deadline: -1}, []string{"deadline -1ns"}},
		{"negative limit", policy.Options{Addr: taken, Policy: p, MaxConns: -1}, []string{"-1 connections"}},
		{"taken", policy.Options{Addr: taken, Policy: p}, []string{taken, "in use", "policy.addr", "BELFRY_POLICY_ADDR"}},
		{"no such port", policy.Options{Addr: ":84300", Policy: p}, []string{":84300", "policy.addr"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, err := policy.Listen(t.Context(), c.opts)
			if err == nil {
				server.Close()
			}
			wantFault(t, err, c.want...)
		})
	}
}

// listen binds a free port and fills in a policy, and a deadline which clients do
// not wait for.
func listen(t *testing.T, o policy.Options) *policy.Server {
	t.Helper()
	if o.Deadline == 0 {
		o.Deadline = time.Hour
	}
	o.Addr, o.Policy = "127.0.0.1:0", testPolicy(t)
	server, err := policy.Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// start runs a server until the test ends.
func start(t *testing.T, o policy.Options) *policy.Server {
	t.Helper()
	server := listen(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return server
}

func dial(t *testing.T, server *policy.Server) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

func send(t *testing.T, conn net.Conn, s string) {
	t.Helper()
	if _, err := conn.Write([]byte(s)); err != nil {
		t.Fatalf("send %q: %v", s, err)
	}
}

func wantReply(t *testing.T, conn net.Conn) {
	t.Helper()
	wantRest(t, conn, string(testPolicy(t).Socket()))
}

// wantNothing reads until the server closes, by a reset too, and fails when that
// takes longer than patience or anything was read.
func wantNothing(t *testing.T, conn net.Conn) {
	t.Helper()
	got, err := io.ReadAll(conn)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Errorf("still open after %v", patience)
	}
	if len(got) > 0 {
		t.Errorf("got the answer %q, want none", got)
	}
}

// goroutines counts those that run or were started by the package.
func goroutines() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "belfry/policy.") {
			n++
		}
	}
	return n
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not true: %s", patience, what)
		}
	}
}
