package web_test

import (
	"net/http"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/web"
)

// TestSessionHeader names a session in the header, or the first line of the body, in
// place of the query, over everything that can carry one, and in both, where the query
// does not count. The echo has something to say each second.
func TestSessionHeader(t *testing.T) {
	t.Parallel()
	brokers := newMembers(2)
	node := func(b hub.Broker) *testServer {
		return newTestServer(t, func(o *web.Options) { o.Hub = hub.New(hub.Options{Broker: b}) })
	}
	s, other := node(brokers[0]), node(brokers[1])
	for _, via := range []string{"events", "stream", "poll", "send"} {
		name := s.beginLink(t, "poll", "/echo", "").open()
		method, body := http.MethodPost, ""
		if via == "events" {
			method = http.MethodGet
		}
		if via == "send" {
			body = `"x"`
		}
		for _, tc := range []struct {
			what, query, header string
			status              int
		}{
			{"another", "&session=" + name, "session=N.OTHER", http.StatusNotFound},
			{"no name", "&session=" + name, "session=nonsense", http.StatusBadRequest},
			{"no query", "", "session=" + name + "&got=%zz", http.StatusBadRequest},
			{"lines that were not sent", "&got=0", "session=" + name + "&got=9", http.StatusBadRequest},
			{"the session", "", "session=" + name + "&got=0&first=1", http.StatusOK},
			{"the session, more than the query", "&session=N.OTHER&got=x&first=x", "session=" + name + "&got=0&first=2", http.StatusOK},
		} {
			for _, node := range []*testServer{s, other} {
				header := []string{"Belfry-Session: " + tc.header}
				if got := node.statusOf(t, method, "/echo?via="+via+tc.query, body, header); got != tc.status {
					t.Errorf("via=%s: %s: %d, want %d", via, tc.what, got, tc.status)
				}
				if via == "events" {
					continue // has no body
				}
				if got := node.statusOf(t, method, "/echo?head&via="+via+tc.query, tc.header+"\n"+body, nil); got != tc.status {
					t.Errorf("via=%s: %s in the body: %d, want %d", via, tc.what, got, tc.status)
				}
			}
		}
	}
}

// TestSessionHeadIsMissing has no first line where one is promised.
func TestSessionHeadIsMissing(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	for _, body := range []string{"", "session=a.b", strings.Repeat("s", 600) + "\n"} {
		for _, target := range []string{"POST /echo?via=poll&head", "POST /echo?via=send&head", "POST /echo?via=stream&head", "GET /echo?via=events&head"} {
			method, path, _ := strings.Cut(target, " ")
			if got := s.statusOf(t, method, path, body, nil); got != http.StatusBadRequest {
				t.Errorf("%s with %.20q: %d, want 400", target, body, got)
			}
		}
	}
}

// TestViaPreflight is what a browser asks before a page of another origin may send
// the header.
func TestViaPreflight(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) { o.Origins = []string{"https://good.example"} })
	for _, path := range []string{"/echo", "/ws/chat", "/connection/websocket"} {
		r, _ := http.NewRequest(http.MethodOptions, s.URL+path+"?via=send", nil)
		r.Header.Set("Origin", "https://good.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "belfry-session")
		status, h, _ := do(t, r)
		if status != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "https://good.example" ||
			!strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Belfry-Session") {
			t.Errorf("%s: %d %v", path, status, h)
		}
	}
}
