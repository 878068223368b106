package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"belfry/configs"
)

// TestKey takes what belfry key prints for the configuration, and publishes with it.
func TestKey(t *testing.T) {
	var out, errors bytes.Buffer
	if code := run(t.Context(), []string{"key"}, &terminal{nil, &out, &errors, nil}); code != exitOK {
		t.Fatalf("belfry key: %d, %s", code, &errors)
	}
	key, sum, ok := strings.Cut(strings.TrimPrefix(out.String(), "key:    "), "\nsha256: ")
	if sum = strings.TrimSpace(sum); !ok || len(key) < 26 || len(sum) != 64 {
		t.Fatalf("belfry key prints %q", out.String())
	}
	n := serve(t, "BELFRY_API_KEYS=[{name: a, sha256: "+sum+`, calls: [publish], expires: 2099-01-01}]`)
	for _, c := range []struct {
		key    string
		status int
	}{{key, http.StatusOK}, {key + "x", http.StatusUnauthorized}, {"", http.StatusUnauthorized}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/api/publish", strings.NewReader(`{"channel":"news","data":1}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", c.key)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("with %d bytes of a key: %d, want %d", len(c.key), response.StatusCode, c.status)
		}
	}
}

// TestUnknownCall wants the calls of a key to be some that there are.
func TestUnknownCall(t *testing.T) {
	config := configs.Default()
	config.API.Keys = []configs.APIKey{{Name: "a", Key: "k", Calls: []string{"publish", "dance"}}}
	_, err := apiKeys(config)
	if err == nil || !strings.HasPrefix(err.Error(), `api.keys[0].calls[1]: "dance": want one of block_user, broadcast, `) {
		t.Errorf("got %v", err)
	}
}
