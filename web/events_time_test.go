package web_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"belfry/hub"
	"belfry/web"
)

func TestEventsPollIsHeld(t *testing.T) {
	inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
		start := time.Now()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/events?channel=news", nil)
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if took := time.Since(start); took != 25*time.Second || w.Body.String() != `{"events":[],"cursor":"AQ"}`+"\n" {
			t.Errorf("after %v: %q, want nothing after 25 s", took, w.Body)
		}
	})
}

// TestEventsHeartbeat waits for comments on streams that are written to directly,
// and on others.
func TestEventsHeartbeat(t *testing.T) {
	for name, hijack := range map[string]bool{"directly": true, "fetched": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *web.Server, _ *hub.Hub) {
				in := openStream(t, s, "/events?channel=news", hijack)
				for beats := time.Duration(1); beats <= 3; {
					line, err := in.in.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					if line == ":\n" {
						if at := time.Since(in.start); at > beats*25*time.Second || at < (beats-1)*25*time.Second {
							t.Errorf("heartbeat %d after %v", beats, at)
						}
						beats++
					}
				}
			})
		})
	}
}
