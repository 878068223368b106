package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"belfry/hub/hubtest"
	"belfry/web"
)

// do makes a request.
func do(t testing.TB, r *http.Request) (status int, h http.Header, body string) {
	t.Helper()
	response, err := (&http.Client{Timeout: hubtest.Patience}).Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return response.StatusCode, response.Header, string(bytes.TrimSpace(text))
}

func readFull(r io.Reader, p []byte) (int, error) { return io.ReadFull(r, p) }

// newDebugServer is a server that logs everything.
func newDebugServer(t *testing.T) *testServer {
	t.Helper()
	log := &logBuffer{}
	s := newTestServer(t, func(o *web.Options) {
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s.log = log
	return s
}

// linkRequest is one request that carries a session, read by hand.
type linkRequest struct {
	t      testing.TB
	via    string
	in     *bufio.Reader
	cancel func() error
}

// begin makes a request whose answer goes on, perhaps.
func (s *testServer) begin(t testing.TB, method, target string, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+target, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		t.Fatalf("%s: %s %s", r.URL, response.Status, text)
	}
	return response
}

// beginLink makes a request that carries a session: a new one, or the one that the
// query names.
func (s *testServer) beginLink(t testing.TB, via, path, query string) *linkRequest {
	t.Helper()
	method := http.MethodPost
	if via == "events" {
		method = http.MethodGet
	}
	response := s.begin(t, method, path+"?via="+via+query, nil)
	return &linkRequest{t, via, bufio.NewReader(response.Body), response.Body.Close}
}

func (r *linkRequest) Close() { _ = r.cancel() }

// line reads the next line.
func (r *linkRequest) line() (string, error) {
	line, err := r.in.ReadString('\n')
	if err == nil && r.via == "events" {
		var blank string
		if blank, err = r.in.ReadString('\n'); blank != "\n" {
			r.t.Errorf("%q follows %q in an event", blank, line)
		}
		line = strings.TrimPrefix(line, "data: ")
	}
	return strings.TrimSuffix(line, "\n"), err
}

// open reads the first line of a session and returns its name.
func (r *linkRequest) open() string {
	r.t.Helper()
	line, err := r.line()
	var parts []string
	if err != nil || json.Unmarshal([]byte(line), &parts) != nil || len(parts) != 3 || parts[0] != "open" {
		r.t.Fatalf("%q, %v: want an open line", line, err)
	}
	return parts[1]
}

// wants reads these lines.
func (r *linkRequest) wants(lines ...string) {
	r.t.Helper()
	for _, want := range lines {
		if got, err := r.line(); got != want || err != nil {
			r.t.Fatalf("line %q, %v; want %q", got, err, want)
		}
	}
}

// wantsEnd reads the end of the response.
func (r *linkRequest) wantsEnd() {
	r.t.Helper()
	if got, err := r.line(); err != io.EOF || got != "" {
		r.t.Fatalf("line %q, %v; want the end", got, err)
	}
}
