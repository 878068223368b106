package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A machine out of file descriptors must cost neither the processor nor the server.
func TestRunWaitsWhenItCannotAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		listener := &brokenListener{closed: make(chan struct{})}
		server := testServer(t, listener, &log)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- server.Run(ctx) }()

		time.Sleep(30 * time.Second)
		synctest.Wait()
		// 5 ms doubled to 1 s is 8 tries in 1.3 s, then one each second.
		if n := listener.tries; n < 30 || n > 40 {
			t.Errorf("%d tries in 30 s, want 30 to 40", n)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 {
			t.Errorf("%d log lines in 30 s, want 1:\n%s", lines, log.String())
		}

		before := time.Now()
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("Run ended %v after its context, want at once", took)
		}
	})
}

func TestRunGoesOnAfterItCouldNotAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, conn := net.Pipe()
		listener := &brokenListener{closed: make(chan struct{}), heals: 3, conn: conn}
		server := testServer(t, listener, io.Discard)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- server.Run(ctx) }()

		client.Write([]byte(Request))
		got, err := io.ReadAll(client)
		if want := server.opts.Policy.Socket(); !bytes.Equal(got, want) || err != nil {
			t.Errorf("reply %q and %v, want %q", got, err, want)
		}
		cancel()
		<-result
	})
}

func TestRunWaitsForItsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, conn := net.Pipe()
		defer client.Close()
		listener := &brokenListener{closed: make(chan struct{}), heals: 1, conn: slowToClose{conn}}
		server := testServer(t, listener, io.Discard)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- server.Run(ctx) }()

		client.Write([]byte("<")) // returns when it was read
		start := time.Now()
		cancel()
		<-result
		if took := time.Since(start); took < time.Second {
			t.Errorf("Run ended after %v, its client takes 1s to close", took)
		}
	})
}

// slowToClose takes a second to close, then is closed.
type slowToClose struct{ net.Conn }

func (c slowToClose) Close() error {
	time.Sleep(time.Second)
	return c.Conn.Close()
}

// The reply must arrive although the client sent bytes that nobody asked for and
// reads late. Bigger than the kernel's buffers, so that part of it is still in the
// server's when it closes.
func TestReplyIsNotLostToAReset(t *testing.T) {
	body := append(bytes.Repeat([]byte("x"), 8<<20), 0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	result := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = (&Policy{socket: body}).Answer(t.Context(), conn, time.Minute)
		}
		result <- err
	}()

	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(time.Minute))
	client.Write([]byte(Request))
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	client.Write([]byte("unasked.")) // the reply has begun: too late for the first read
	rest, err := io.ReadAll(client)
	if len(rest) != len(body)-1 || err != nil {
		t.Errorf("read %d bytes of %d and then %v", len(rest), len(body)-1, err)
	}
	client.Close()
	if err := <-result; err != nil {
		t.Errorf("Answer = %v", err)
	}
}

func TestBindErrorSaysHowToAllowIt(t *testing.T) {
	// As the net package returns it to a user that is not root.
	refused := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EACCES)}
	err := bindError(":843", refused)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is not fs.ErrPermission", err)
	}
	for _, part := range []string{
		`":843"`, "permission denied", "CAP_NET_BIND_SERVICE",
		"sudo setcap cap_net_bind_service=+ep ./belfry", "redirect", "policy.addr", "BELFRY_POLICY_ADDR", `""`,
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}

	taken := bindError(":843", syscall.EADDRINUSE)
	if errors.Is(taken, fs.ErrPermission) || strings.Contains(taken.Error(), "setcap") {
		t.Errorf("a taken port is reported as a lack of privileges: %v", taken)
	}
}

func testServer(t *testing.T, listener net.Listener, log io.Writer) *Server {
	t.Helper()
	p, err := New([]Grant{{Domain: "example.com", Ports: "80"}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := Options{Addr: "test", Policy: p, Logger: slog.New(slog.NewTextHandler(log, nil))}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return newServer(listener, o)
}

// brokenListener has no file descriptors left. When heals is set, so many tries
// fail, the next gives conn and those behind it wait.
type brokenListener struct {
	net.Listener // nil: only what is below is used
	tries        int
	heals        int
	conn         net.Conn
	closed       chan struct{}
}

func (l *brokenListener) Accept() (net.Conn, error) {
	l.tries++
	switch {
	case l.heals == 0 || l.tries <= l.heals:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	case l.tries == l.heals+1:
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *brokenListener) Close() error {
	close(l.closed)
	return nil
}
