package access_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"belfry/web/access"
	"belfry/web/fault"
)

// show shows a key from an address, and returns the status and Retry-After.
func show(k *access.Keys, key, remote string) (status int, after string) {
	r, w := httptest.NewRequest(http.MethodPost, "/api/publish", nil), httptest.NewRecorder()
	r.RemoteAddr = remote
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	if _, err := k.Check(r); err != nil {
		fault.Answerer{Logger: slog.New(slog.DiscardHandler)}.Answer(w, r, err)
	}
	return w.Code, w.Header().Get("Retry-After")
}

// TestWrongKeys shows 200 wrong keys from one address, and the right one between
// them.
func TestWrongKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		k := access.NewKeys(slog.New(slog.NewTextHandler(&log, nil)), access.WholeKey("api.key", "right"))
		const remote = "192.0.2.7:1000"
		waits := []string{"", "", "", "", "", "1", "2", "4", "8", "16", "32", "60", "60"}
		for i := range 200 {
			status, after := show(k, fmt.Sprintf("wrong-%d", i), remote)
			wantStatus, wantAfter := http.StatusTooManyRequests, waits[min(i, len(waits)-1)]
			if wantAfter == "" {
				wantStatus = http.StatusUnauthorized
			}
			if status != wantStatus || after != wantAfter {
				t.Fatalf("wrong key %d: %d, Retry-After %q; want %d, %q", i+1, status, after, wantStatus, wantAfter)
			}
			if status, _ := show(k, "right", remote); status != http.StatusOK {
				t.Fatalf("the right key after %d wrong ones: %d", i+1, status)
			}
			if status, _ := show(k, "", remote); status != http.StatusUnauthorized {
				t.Fatalf("no key after %d wrong ones: %d, want 401", i+1, status)
			}
			if i%20 == 19 {
				time.Sleep(time.Second / 10)
			}
		}
		k.Advance()
		text := log.String()
		if strings.Count(text, "\n") != 1 || !strings.Contains(text, `level=WARN msg="wrong API keys were shown" count=200 remote=`+remote) ||
			strings.Contains(text, "wrong-") || strings.Contains(text, "right") || len(text) > 200 {
			t.Errorf("the log has\n%s\nwant one line with the count, and no key", text)
		}
		if status, _ := show(k, "wrong", "192.0.2.8:1000"); status != http.StatusUnauthorized {
			t.Errorf("another address: %d, want 401", status)
		}
		time.Sleep(61 * time.Second)
		if status, _ := show(k, "wrong", remote); status != http.StatusUnauthorized {
			t.Errorf("a minute later: %d, want 401", status)
		}
	})
}

// TestWrongKeysForLong shows a wrong key every tenth of a second for ten minutes.
func TestWrongKeysForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		k := access.NewKeys(slog.New(slog.NewTextHandler(&log, nil)), access.WholeKey("api.key", "right"))
		for i := range 6000 {
			show(k, "wrong", "192.0.2.7:1000")
			if time.Sleep(time.Second / 10); i%10 == 9 {
				k.Advance()
			}
		}
		if n := strings.Count(log.String(), "\n"); n < 55 || n > 61 {
			t.Errorf("%d lines in ten minutes, want one every ten seconds", n)
		}
		for range 120 {
			time.Sleep(time.Second)
			k.Advance()
		}
		if n := strings.Count(log.String(), "\n"); n > 62 {
			t.Errorf("%d lines, some without a wrong key", n)
		}
	})
}

// TestWrongKeysByAddress has who shares an address share its wait: IPv4 by address,
// whatever the port, and IPv6 by /64.
func TestWrongKeysByAddress(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		same          bool
	}{
		"another port":             {"192.0.2.7:1", "192.0.2.7:2", true},
		"another address":          {"192.0.2.7:1", "192.0.2.8:1", false},
		"the same network of IPv6": {"[2001:db8::1]:1", "[2001:db8::ffff:1]:1", true},
		"another network of IPv6":  {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		"IPv4 within IPv6":         {"192.0.2.7:1", "[::ffff:192.0.2.7]:1", true},
		"others within IPv6":       {"[::ffff:192.0.2.8]:1", "[::ffff:192.0.2.7]:1", false},
		"no addresses":             {"@", "pipe", true},
	} {
		k := access.NewKeys(slog.New(slog.DiscardHandler), access.WholeKey("api.key", "right"))
		for range 10 {
			show(k, "wrong", c.first)
		}
		if status, _ := show(k, "wrong", c.second); (status == http.StatusTooManyRequests) != c.same {
			t.Errorf("%s: %d", name, status)
		}
	}
}
