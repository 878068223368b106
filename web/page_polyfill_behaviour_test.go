package web_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/hub/hubtest"
)

// TestPolyfillBehaviours looks at WebSocket as a page sees it: the browser's own,
// and the one of websocket.js over each transport have to be the same.
func TestPolyfillBehaviours(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	nobody := "&nobody=" + quietPort(t)
	s := newDirectSite(t)
	native := s.open(t, browser, "native"+nobody)
	names := behaviourNames(t, native)
	want := make(map[string][]string)
	for _, name := range names {
		want[name] = s.behave(native, name)
	}
	for _, test := range []struct{ query, transport string }{
		{"force=websocket", "websocket"},
		{"automatic", "websocket"},
		{"without", "(events|stream|poll)"}, // what gets one of the browser's six connections
		{"force=events", "events"},
		{"force=stream", "stream"},
		{"force=poll", "poll"},
	} {
		t.Run(test.query, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			s := newDirectSite(t) // browsers have six connections at most to each
			p := s.open(t, browser, test.query+nobody)
			for _, name := range names {
				if diff := cmp.Diff(want[name], s.behave(p, name)); diff != "" {
					t.Errorf("%s (-native +websocket.js):\n%s", name, diff)
				}
			}
			p.evalAsync(echoed)
			p.waitFor(fmt.Sprintf("/^%s$/.test(socket.transport)", test.transport))
			t.Logf("%d behaviours in %v", len(names), time.Since(began).Round(time.Millisecond))
		})
	}
}

// behaviourNames are those that behaviours.js knows.
func behaviourNames(t *testing.T, p *tab) (names []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.eval("JSON.stringify(Object.keys(behaviours))")), &names); err != nil {
		t.Fatal(err)
	}
	return names
}

// behave runs one and returns what the page saw, without the site's address.
func (s *polyfillSite) behave(p *tab, name string) (lines []string) {
	p.Helper()
	text := p.evalAsync(fmt.Sprintf("behave(%q).then(JSON.stringify)", name))
	text = strings.ReplaceAll(text, strings.TrimPrefix(s.url, "http://"), "site")
	if err := json.Unmarshal([]byte(text), &lines); err != nil {
		p.Fatalf("%s: %q: %v", name, text, err)
	}
	return lines
}

// quietPort is a port that nobody listens on.
func quietPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
