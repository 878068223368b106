package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	ready := string(runProgram(t, nil))
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":{"code":100,"message":"the server is going down"}}`, http.StatusServiceUnavailable)
	}))
	defer away.Close()
	another := httptest.NewServer(http.NotFoundHandler())
	defer another.Close()
	cases := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"ready", []string{"--server", ready}, 0, ""},
		{"ready, by the configuration", []string{"--addr", strings.TrimPrefix(ready, "http://")}, 0, ""},
		{"not ready", []string{"--server", away.URL}, 1, "belfry: " + away.URL + " answers: the server is going down\n"},
		{"not there", []string{"--server", nowhere(t)}, 1, "connection refused; is Belfry running there?"},
		{"another server", []string{"--server", another.URL}, 1, "answers 404 Not Found, and not as Belfry does"},
		{"any port", []string{"--addr", ":0"}, 1, "belfry: http.addr takes any free port: say which it is with --server URL\n"},
		{"bad configuration", []string{"--addr", "x"}, 1, "belfry: --addr: http.addr"},
		{"bad address", []string{"--server", "x://y"}, 2, "x:// is not spoken"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := belfry(t, "", append([]string{"health"}, tc.args...)...)
			if got.code != tc.code || got.out != "" || !strings.Contains(got.err, tc.want) || tc.want == "" && got.err != "" {
				t.Errorf("got %+v, want exit code %d and %q", got, tc.code, tc.want)
			}
		})
	}
}

func TestHealthOfSilentServer(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	got := belfry(t, "", "health", "--server", silent.URL)
	if got.code != 1 || !strings.Contains(got.err, "does not answer within 2s") {
		t.Errorf("got %+v", got)
	}
}

func TestLocalServer(t *testing.T) {
	cases := []struct {
		addr string
		want serverURL
	}{
		{":40132", "http://127.0.0.1:40132"},
		{"0.0.0.0:1", "http://127.0.0.1:1"},
		{"[::]:1", "http://127.0.0.1:1"},
		{"10.0.0.7:1", "http://10.0.0.7:1"},
		{"[::1]:1", "http://[::1]:1"},
		{"localhost:1", "http://localhost:1"},
	}
	for _, tc := range cases {
		if got, err := localServer(tc.addr); err != nil || got != tc.want {
			t.Errorf("localServer(%q) = %s, %v; want %s", tc.addr, got, err, tc.want)
		}
	}
}
