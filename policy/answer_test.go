package policy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"belfry/policy"
)

// The client here is one end of a net.Pipe, which has no CloseWrite, in a bubble
// where time is exact.

func TestAnswerToASilentClientEndsAtTheLimit(t *testing.T) {
	for _, c := range []struct{ name, sent string }{
		{"nothing sent", ""},
		{"one byte", "<"},
		{"no NUL", policy.Request[:22]},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, result := answerPipe(t, t.Context(), 3*time.Second)
				start := time.Now()
				client.Write([]byte(c.sent))
				if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Answer = %v, want os.ErrDeadlineExceeded", err)
				}
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("closed after %v, want 3s", took)
				}
				wantRest(t, client, "")
			})
		})
	}
}

// A byte now and then does not buy more time: the limit is for all of it.
func TestAnswerToASlowClientEndsAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, result := answerPipe(t, t.Context(), 3*time.Second)
		start := time.Now()
		for i := range policy.Request {
			if _, err := client.Write([]byte{policy.Request[i]}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Answer = %v, want os.ErrDeadlineExceeded", err)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("the client was kept for %v, want 3s", took)
		}
	})
}

func TestAnswerToAClientThatDoesNotReadEndsAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, result := answerPipe(t, t.Context(), 3*time.Second)
		client.Write([]byte(policy.Request))
		if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Answer = %v, want os.ErrDeadlineExceeded", err)
		}
	})
}

func TestAnswerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client, result := answerPipe(t, ctx, 3*time.Second)
		start := time.Now()
		client.Write([]byte("<policy"))
		cancel()
		if err := <-result; err == nil {
			t.Error("Answer = nil, want the error of a closed connection")
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("closed %v after the context ended, want at once", took)
		}
	})
}

func TestAnswerWithoutCloseWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, result := answerPipe(t, t.Context(), 3*time.Second)
		start := time.Now()
		client.Write([]byte(policy.Request))
		wantRest(t, client, string(testPolicy(t).Socket()))
		if err := <-result; err != nil {
			t.Errorf("Answer = %v", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("closed after %v, want at once", took)
		}
	})
}

// A connection that can be half-closed is, right behind the reply, and is read
// until the client closes, so that nothing is unread when it is closed.
func TestAnswerClosesInOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []string // what each Read gives; then the client has closed
		want []string
	}{
		{"player", []string{policy.Request}, []string{"reply", "half-close", "EOF", "close"}},
		{"line end behind", []string{policy.Request, "\r\n"}, []string{"reply", "half-close", "EOF", "close"}},
		{"no NUL", []string{policy.Request[:22]}, []string{"EOF", "reply", "half-close", "EOF", "close"}},
		{"flood behind", slices.Repeat([]string{policy.Request}, 9), []string{"reply", "half-close", "close"}},
		{"garbage", []string{"GET /"}, []string{"close"}},
		{"request cut short", []string{"<policy"}, []string{"EOF", "close"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := &recordedConn{in: c.in}
			testPolicy(t).Answer(t.Context(), conn, time.Second)
			if !slices.Equal(conn.did, c.want) {
				t.Errorf("did %q, want %q", conn.did, c.want)
			}
			if conn.read > 32 {
				t.Errorf("read %d bytes, want 32 at most", conn.read)
			}
		})
	}
}

// A client that does not close gets a second, less when its time is up before.
func TestLinger(t *testing.T) {
	for _, c := range []struct {
		name        string
		limit, want time.Duration
	}{
		{"a second", 3 * time.Second, time.Second},
		{"within the limit", 200 * time.Millisecond, 200 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				result := make(chan error, 1)
				go func() {
					result <- testPolicy(t).Answer(t.Context(), halfPipe{server}, c.limit)
				}()
				client.Write([]byte(policy.Request))
				start := time.Now()
				wantRest(t, client, string(testPolicy(t).Socket()))
				if err := <-result; err != nil {
					t.Errorf("Answer = %v", err)
				}
				if took := time.Since(start); took != c.want {
					t.Errorf("closed after %v, want %v", took, c.want)
				}
			})
		})
	}
}

// answerPipe has Answer serve one end of a pipe and returns the other.
func answerPipe(t *testing.T, ctx context.Context, limit time.Duration) (net.Conn, <-chan error) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	result := make(chan error, 1)
	p := testPolicy(t)
	go func() { result <- p.Answer(ctx, server, limit) }()
	return client, result
}

// wantRest reads until the peer closes.
func wantRest(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got, err := io.ReadAll(conn)
	if string(got) != want || err != nil {
		t.Errorf("read %q and then %v, want %q and EOF", got, err, want)
	}
}

func testPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	return mustNew(t, policy.Grant{Domain: "example.com", Ports: "40132"})
}

// halfPipe is a pipe whose CloseWrite does nothing.
type halfPipe struct{ net.Conn }

func (halfPipe) CloseWrite() error { return nil }

// recordedConn notes what is done to it, apart from deadlines and plain reads.
type recordedConn struct {
	net.Conn // nil: what is not below must not be used
	in       []string
	read     int
	did      []string
}

func (c *recordedConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		c.did = append(c.did, "EOF")
		return 0, io.EOF
	}
	n := copy(p, c.in[0])
	c.read += n
	if c.in[0] = c.in[0][n:]; c.in[0] == "" {
		c.in = c.in[1:]
	}
	return n, nil
}

func (c *recordedConn) Write(p []byte) (int, error) {
	c.did = append(c.did, "reply")
	return len(p), nil
}

func (c *recordedConn) CloseWrite() error {
	c.did = append(c.did, "half-close")
	return nil
}

func (c *recordedConn) Close() error {
	c.did = append(c.did, "close")
	return nil
}

func (c *recordedConn) SetDeadline(time.Time) error     { return nil }
func (c *recordedConn) SetReadDeadline(time.Time) error { return nil }
