package policy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"belfry/policy"
)

// serveInline starts an HTTP server on a listener that answers policy requests.
func serveInline(t *testing.T) (addr string) {
	t.Helper()
	file, err := policy.New([]policy.Grant{{Domain: "example.com", Ports: "80"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Path)
	})}
	done := make(chan error)
	go func() { done <- server.Serve(policy.Inline(l, file, nil)) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return l.Addr().String()
}

func dialInline(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	return conn.(*net.TCPConn)
}

const inlineRequest = "<policy-file-request/>\x00"

// The request may be cut anywhere on its way.
func TestInlineSplit(t *testing.T) {
	addr := serveInline(t)
	for cut := range len(inlineRequest) {
		conn := dialInline(t, addr)
		for _, part := range []string{inlineRequest[:cut], inlineRequest[cut:]} {
			if _, err := io.WriteString(conn, part); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // so that they are two segments
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), `domain="example.com"`) || !strings.HasSuffix(string(answer), "\x00") {
			t.Errorf("cut at %d: got %q, %v", cut, answer, err)
		}
	}
}

func TestInlineLeavesHTTPAlone(t *testing.T) {
	conn := dialInline(t, serveInline(t))
	in := bufio.NewReader(conn)
	for _, path := range []string{"/a", "/<b"} {
		request, err := http.NewRequest("GET", "http://belfry"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := request.Write(conn); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(in, request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || string(body) != path {
			t.Errorf("%s: got %q, %v", path, body, err)
		}
	}
}

// What only begins like a request is closed without an answer, and so is what
// does not go on, when the header timeout of the server ends.
func TestInlineRefuses(t *testing.T) {
	addr := serveInline(t)
	for name, sent := range map[string]string{
		"another element": "<cross-domain-request/>\x00",
		"HTML":            "<html>",
		"nothing more":    "<policy",
		"nothing at all":  "",
		"a late request":  "GET / HTTP/1.1\r\n" + inlineRequest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dialInline(t, addr)
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Fatal(err)
			}
			if name == "nothing more" {
				_ = conn.CloseWrite()
			}
			answer, err := io.ReadAll(conn)
			if strings.Contains(string(answer), "cross-domain-policy") {
				t.Errorf("got %q, %v; want no policy", answer, err)
			}
		})
	}
}
