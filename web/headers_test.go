package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// A request that waits keeps nothing of its headers, which may have 64 KiB. (The
// connection of one that is a stream over HTTP/1.1 is taken over, and the request ends.)
func TestWaitingRequestsKeepNoHeaders(t *testing.T) {
	for name, c := range map[string]struct{ protocol, method, target string }{
		"long-poll":              {"HTTP/1.1", "GET", "/events?channel=chat"},
		"long-poll of a session": {"HTTP/1.1", "POST", "/ws/chat?via=poll"},
		"stream of a session":    {"HTTP/2", "POST", "/ws/chat?via=stream"},
		"event stream":           {"HTTP/2", "GET", "/events?channel=chat"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, nil)
			kept := make(chan http.Header, 1)
			front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.web.ServeHTTP(w, r)
				kept <- r.Header
			}))
			front.Config.Protocols = s.Config.Protocols
			front.Start()
			defer front.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, c.method, front.URL+c.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Long", strings.Repeat("x", 50_000))
			if strings.HasPrefix(name, "long-poll") {
				r.Header.Set("Accept", "application/json")
			}
			go func() {
				if answer, err := httpClient(t, c.protocol).Do(r); err == nil {
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			}()
			hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("chat") > 0 }, "the request has subscribed")
			hubtest.Publish(t, s.hub, "chat", `"1"`)
			if c.protocol == "HTTP/2" {
				cancel()
			}
			if left := <-kept; len(left) > 0 {
				t.Errorf("%d headers are kept", len(left))
			}
		})
	}
}
