package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	ready := string(runProgram(t, nil))
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			http.Error(w, `{"error":{"code":100,"message":"the server is going down"}}`, http.StatusServiceUnavailable)
		}
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
		{"alive", []string{"--server", ready}, 0, ""},
		{"ready", []string{"--ready", "--server", ready}, 0, ""},
		{"alive and not ready", []string{"--server", away.URL}, 0, ""},
		{"ready, by the configuration", []string{"--addr", strings.TrimPrefix(ready, "http://")}, 0, ""},
		{"not ready", []string{"--ready", "--server", away.URL}, 1, "belfry: " + away.URL + " answers: the server is going down\n"},
		{"not there", []string{"--server", nowhere(t)}, 1, "connection refused; is Belfry running there?"},
		{"not there, and not ready", []string{"--ready", "--server", nowhere(t)}, 1, "connection refused; is Belfry running there?"},
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

// TestHealthWithoutProxy has a proxy in the environment that lives while the server
// does not, and the other way round. No proxy is asked for an address of this machine
// anyway; 0.0.0.0 is one that Go does not take for one.
func TestHealthWithoutProxy(t *testing.T) {
	asked := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.RequestURI }))
	defer proxy.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(string(runProgram(t, nil)), "http://"), ":")
	_, dead, _ := strings.Cut(strings.TrimPrefix(nowhere(t), "http://"), ":")
	for address, want := range map[string]int{"0.0.0.0:" + port: 0, "0.0.0.0:" + dead: 1} {
		for _, flag := range []string{"--ready", "--server=http://" + address} {
			p := start(t, []string{"HTTP_PROXY=" + proxy.URL, "http_proxy=" + proxy.URL}, "health", flag, "--server=http://"+address)
			if code := p.exit(); code != want {
				t.Errorf("%s %s: exit code %d, want %d: %s", flag, address, code, want, &p.err)
			}
		}
	}
	select {
	case url := <-asked:
		t.Errorf("the proxy was asked for %s", url)
	default:
	}
}
