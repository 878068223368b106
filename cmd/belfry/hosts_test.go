package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"belfry/configs"
)

// TestHosts asks servers of several configurations by a name that somebody else may
// have pointed at this machine, and by names that are always answered to.
func TestHosts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*configs.Config)
		hub    bool // it answers to hub.example
		evil   bool // and to evil.example
	}{
		{"nothing is configured", func(c *configs.Config) { c.API.Key = "" }, false, false},
		{"a key", nil, true, true},
		{"origins", func(c *configs.Config) { c.API.Key, c.Origins = "", configs.Origins{"https://a.example"} }, true, true},
		{"hosts", func(c *configs.Config) { c.API.Key, c.Hosts = "", configs.Hosts{"hub.example"} }, true, false},
		{"hosts and a key", func(c *configs.Config) { c.Hosts = configs.Hosts{"*.a.example", "hub.example"} }, true, false},
		{"any host", func(c *configs.Config) { c.API.Key, c.Hosts = "", configs.Hosts{"*"} }, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := runProgram(t, tc.change)
			for host, answered := range map[string]bool{
				"hub.example": tc.hub, "evil.example:40132": tc.evil, "localhost:1": true, "a.localhost": true, "192.0.2.1": true, "[::1]:1": true,
			} {
				status, body := askAs(t, server, host)
				if answered != (status == http.StatusOK) || !answered && (status != 421 || !strings.Contains(body, "BELFRY_HOSTS")) {
					t.Errorf("%s: %d %s, want an answer: %t", host, status, body, answered)
				}
			}
		})
	}
}

// TestOriginsOfNoHost starts with origins that belfry config accepts and a Flash policy
// cannot name: they are left out of that.
func TestOriginsOfNoHost(t *testing.T) {
	origins := []string{"app://-", "app://_", "https://a_b.example", "chrome-extension://-a", "https://good.example", "ionic://localhost", "https://*.c.example", "*"}
	if got := runConfig(t, []string{"BELFRY_ORIGINS=" + strings.Join(origins, ",")}); got.code != 0 {
		t.Fatalf("belfry config: %+v", got)
	}
	server := runProgram(t, func(c *configs.Config) { c.Origins = origins })
	response, err := http.Get(server.http("/crossdomain.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	for _, origin := range origins {
		host := originHost(origin)
		good := host != "-" && host != "-a" && host != "*"
		if named := strings.Contains(string(text), `"`+host+`"`); named != good {
			t.Errorf("the policy names %s: %t, want %t\n%s", host, named, good, text)
		}
	}
}

// askAs asks whether a server is alive, by a name.
func askAs(t *testing.T, server serverURL, host string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.http("/healthz"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// TestConfigChecksHosts has belfry config look at them, wherever they stand.
func TestConfigChecksHosts(t *testing.T) {
	good := runConfig(t, []string{"BELFRY_HOSTS=hub.example, *.town.example"})
	if good.code != 0 || !strings.Contains(good.out, "hosts:\n  - hub.example\n  - \"*.town.example\"\n") {
		t.Errorf("got %+v", good)
	}
	file := writeFile(t, "hosts: [hub.example, 'https://hub.example']\n")
	for place, got := range map[string]result{
		"BELFRY_HOSTS: hosts[0]": runConfig(t, []string{"BELFRY_HOSTS=hub.example:443"}),
		file + ":1: hosts[1]":    runConfig(t, nil, "--config", file),
	} {
		if got.code != 1 || !strings.HasPrefix(got.err, "belfry: "+place) || !strings.Contains(got.err, "no scheme, no port") {
			t.Errorf("%s: got %+v", place, got)
		}
	}
}
