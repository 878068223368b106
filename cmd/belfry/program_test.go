package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"belfry/configs"
	"belfry/hub/hubtest"
)

const testKey = "test-key"

// runProgram serves in this process until the test ends and returns the
// address. The function, which may be nil, changes the configuration.
func runProgram(t *testing.T, change func(*configs.Config)) serverURL {
	t.Helper()
	config := configs.Default()
	config.HTTP.Addr, config.Policy.Addr, config.API.Key = "127.0.0.1:0", "", testKey
	if change != nil {
		change(&config)
	}
	return serveHere(t, config, slog.New(slog.DiscardHandler))
}

// serveHere serves in this process until the test ends and returns the address.
func serveHere(t *testing.T, config configs.Config, logger *slog.Logger) serverURL {
	t.Helper()
	p, err := newProgram(t.Context(), config, logger)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server stopped with %v", err)
		}
	})
	return serverURL("http://" + p.host())
}

// result is what became of a command line.
type result struct {
	code     int
	out, err string
}

// belfry runs a command line in this process, with an empty environment but for
// what t.Setenv has set.
func belfry(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	var out, err output
	code := run(ctx, args, &terminal{in: strings.NewReader(stdin), out: &out, err: &err})
	if ctx.Err() != nil {
		t.Fatalf("%q did not end; it said:\n%s%s", args, &out, &err)
	}
	return result{code, out.String(), err.String()}
}

// following is a belfry subscribe that runs beside a test.
type following struct {
	t        *testing.T
	out, err output
	code     chan int
	cancel   context.CancelFunc
}

// subscribe runs belfry subscribe with arguments and waits until standard error
// holds a text.
func subscribe(t *testing.T, until string, args ...string) *following {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hubtest.Patience)
	f := &following{t: t, code: make(chan int, 1), cancel: cancel}
	go func() {
		f.code <- run(ctx, append([]string{"subscribe"}, args...), &terminal{out: &f.out, err: &f.err})
		close(f.code)
	}()
	t.Cleanup(func() { cancel(); <-f.code })
	f.says(&f.err, until)
	return f
}

// says waits until a text was written.
func (f *following) says(o *output, text string) {
	f.t.Helper()
	for deadline := time.Now().Add(hubtest.Patience); !strings.Contains(o.String(), text); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("it never said %q; it said:\n%s%s", text, &f.out, &f.err)
		}
	}
}

// exit waits for the end and returns the exit code.
func (f *following) exit() int {
	f.t.Helper()
	select {
	case code := <-f.code:
		return code
	case <-time.After(hubtest.Patience):
		f.t.Fatalf("it does not end; it said:\n%s%s", &f.out, &f.err)
		return -1
	}
}
