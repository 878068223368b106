package main

import (
	"bufio"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/configs"
	"belfry/hub/hubtest"
)

// TestWelcome does what the first screen tells a newcomer to do.
func TestWelcome(t *testing.T) {
	n := serve(t)
	if status := n.get("/socketexample"); status != http.StatusOK {
		t.Errorf("the page answers %d", status)
	}
	subscriber := start(t, nil, "subscribe", "--server", n.URL, "--count", "1", "chat")
	subscriber.says(&subscriber.err, "subscribed to chat")
	if status := n.runCurl(""); status != http.StatusOK {
		t.Errorf("the curl line is answered with %d", status)
	}
	if code := subscriber.exit(); code != 0 || !strings.HasSuffix(subscriber.out.String(), "  chat  Hello from curl\n") {
		t.Errorf("subscriber: exit code %d, heard %q", code, &subscriber.out)
	}
}

var curlLine = regexp.MustCompile(`(?m)^  curl (\S+) -H "([^"]+): ([^"]+)" -d '([^']+)'$`)

// runCurl does what the curl line says, with the key in place of its variable.
func (n *node) runCurl(key string) (status int) {
	n.t.Helper()
	part := curlLine.FindStringSubmatch(n.out.String())
	if part == nil {
		n.t.Fatalf("no curl line in:\n%s", &n.out)
	}
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, part[1], strings.NewReader(part[4]))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl has it
	r.Header.Set(part[2], strings.ReplaceAll(part[3], "$BELFRY_API_KEY", key))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	return response.StatusCode
}

// TestHTTP2 speaks HTTP/2 without TLS, as a proxy in front may.
func TestHTTP2(t *testing.T) {
	n := serve(t)
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: p}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: hubtest.Patience}
	response, err := client.Post(n.URL+"/echo?via=poll", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
		t.Errorf("got %s %s, want HTTP/2 and 200", response.Proto, response.Status)
	}
}

func TestConfiguredKeyIsNeverShown(t *testing.T) {
	const key = "correct-horse-battery"
	n := serve(t, "BELFRY_API_KEY="+key)
	if status := n.runCurl(key); status != http.StatusOK {
		t.Errorf("the curl line with the key is answered with %d", status)
	}
	environ := []string{"BELFRY_API_KEY=" + key, "BELFRY_SERVER=" + n.URL}
	p := start(t, environ, "publish", "chat", "hi")
	if code := p.exit(); code != 0 {
		t.Errorf("publish: exit code %d: %s", code, &p.err)
	}
	all := p.both()
	for _, args := range [][]string{{"--help"}, {"publish", "--help"}, {"config"}, {"config", "--json"}, {"config", "--addr", "nonsense"}, {"publish", "chat"}} {
		p := start(t, environ, args...)
		p.exit()
		all += p.both()
	}
	n.end()
	if all += n.both(); strings.Contains(all, key) {
		t.Errorf("the key is shown in:\n%s", all)
	}
}

func TestFlashServer(t *testing.T) {
	n := serve(t)
	addr := n.says(&n.err, `msg="Flash server listening" addr=(\S+)`)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(hubtest.Patience))
	if _, err := conn.Write([]byte("<policy-file-request/>\x00")); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(conn).ReadString(0)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(n.URL, "http://"))
	if err != nil || !strings.Contains(answer, `to-ports="`+port+`"`) {
		t.Errorf("got %q, %v; want a policy for port %s", answer, err, port)
	}
}

// TestFaultsAtStart starts servers that cannot serve.
func TestFaultsAtStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(file, []byte("http: {adr: ':1'}\napi: {key: hush hush}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name    string
		environ []string
		args    []string
		code    int
		want    []string // in each line of standard error
	}{
		{"port taken", nil, []string{"--addr", taken.Addr().String()}, 1,
			[]string{taken.Addr().String() + " is taken by another program: choose another with --addr, http.addr or BELFRY_HTTP_ADDR"}},
		{"no such address", nil, []string{"--addr", "192.0.2.1:0"}, 1, []string{"cannot listen on 192.0.2.1:0 (--addr, http.addr or BELFRY_HTTP_ADDR)"}},
		{"every fault at once", []string{"BELFRY_LIMITS_BODY=lots", "BELFRY_ORIGINS=https://a.com/"}, []string{"serve", "--config", file, "--redis", "hush"}, 1,
			[]string{file + ":1: http: unknown key adr", "BELFRY_LIMITS_BODY: limits.body", "--redis: redis.url", file + ":2: api.key", "BELFRY_ORIGINS: origins[0]"}},
		{"unknown variable", []string{"BELFRY_ADDR=:1"}, nil, 1, []string{"BELFRY_ADDR: unknown environment variable"}},
		{"no file", nil, []string{"--config", "/nowhere.yaml"}, 1, []string{"/nowhere.yaml"}},
		{"no command", nil, []string{"dance"}, 2, []string{"unexpected argument dance", "--help"}},
		{"no flag", nil, []string{"--port", "80"}, 2, []string{"unknown flag --port", "--help"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			p := start(t, append(tc.environ, "BELFRY_POLICY_ADDR="), tc.args...)
			if code := p.exit(); code != tc.code || p.out.String() != "" {
				t.Errorf("exit code %d, want %d; standard output: %q", code, tc.code, &p.out)
			}
			lines := strings.Split(strings.TrimSuffix(p.err.String(), "\n"), "\n")
			if len(lines) != len(tc.want) {
				t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(tc.want), &p.err)
			}
			for i, want := range tc.want {
				if !strings.Contains(lines[i], want) || strings.Contains(lines[i], "hush") {
					t.Errorf("line %q: want %q, and no secret", lines[i], want)
				}
			}
		})
	}
}

func TestPolicyPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	n := serve(t, "BELFRY_POLICY_ADDR="+taken.Addr().String())
	n.says(&n.err, `level=WARN.*`+regexp.QuoteMeta(taken.Addr().String())+`.*BELFRY_POLICY_ADDR`)
	n.waitFor("/readyz", http.StatusOK)
}

// TestSecondSignal stops a server that waits for a client which does not answer
// its close frame.
func TestSecondSignal(t *testing.T) {
	n := serve(t)
	conn, _, err := websocket.DefaultDialer.Dial(serverURL(n.URL).webSocket("/ws/chat"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // never reads: gorilla answers close frames only when it does
	n.signal(syscall.SIGTERM)
	n.says(&n.err, "a second signal stops at once")
	n.signal(syscall.SIGTERM)
	n.exit()
	if status := n.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v, want by the signal", n.cmd.ProcessState)
	}
}

// TestIdle looks at how long a connection is kept between two requests.
func TestIdle(t *testing.T) {
	config := configs.Default()
	config.HTTP.Addr, config.Policy.Addr = "127.0.0.1:0", ""
	p, err := newProgram(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.listener.Close()
	if got := p.server().IdleTimeout; got <= 600*time.Second {
		t.Errorf("by default for %v; want longer than the balancers that keep theirs for 600s", got)
	}
	p.config.HTTP.Idle = configs.Age(time.Minute)
	if got := p.server().IdleTimeout; got != time.Minute {
		t.Errorf("for %v, want as configured", got)
	}
}

// TestWarningsOfKeys makes servers whose API key is not what it should be.
func TestWarningsOfKeys(t *testing.T) {
	for _, tc := range []struct {
		name, key, redis string
		want             string // of the log; empty: nothing
		shown            bool   // the key, in the first screen
	}{
		{"alone, without a key", "", "", "", false},
		{"with others, without a key", "", "redis://127.0.0.1:1", "this node has made an API key of its own, which no other node takes: set BELFRY_API_KEY (api.key)", false},
		{"with others and a key", "secret", "redis://127.0.0.1:1", "", false},
		{"a key that everybody knows", knownKey, "", "which everybody knows: set BELFRY_API_KEY (api.key)", true},
	} {
		config, log := configs.Default(), &output{}
		config.HTTP.Addr, config.Policy.Addr, config.API.Key, config.Redis.URL = "127.0.0.1:0", "", configs.Secret(tc.key), configs.URL(tc.redis)
		p, err := newProgram(t.Context(), config, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		_ = p.listener.Close()
		if text := log.String(); tc.want == "" && text != "" || !strings.Contains(text, tc.want) || tc.want != "" && !strings.Contains(text, "level=WARN") {
			t.Errorf("%s: the log has %q, want %q", tc.name, text, tc.want)
		}
		if shown := strings.Contains(p.welcome(), `"X-API-Key: `+tc.key+`"`) && tc.key != ""; shown != tc.shown {
			t.Errorf("%s: the first screen is\n%s", tc.name, p.welcome())
		}
	}
}

// TestComposeKey wants the key that is known to everybody to be the one that
// docker-compose.yml has, and nobody but this machine to be let in with it.
func TestComposeKey(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "${BELFRY_API_KEY:-"+knownKey+"}") {
		t.Errorf("docker-compose.yml has another key than %s", knownKey)
	}
	ports := regexp.MustCompile(`(?m)^ +- "(.*):\d+:\d+"$`).FindAllStringSubmatch(string(text), -1)
	for _, port := range ports {
		if port[1] != "${LISTEN:-127.0.0.1}" {
			t.Errorf("docker-compose.yml lets others in: %s", port[0])
		}
	}
	if len(ports) != 2 {
		t.Errorf("%d ports are published, want 2", len(ports))
	}
}

// TestPortOfAnOutgoingConnection starts a server on a port that the system has given to
// an outgoing connection.
func TestPortOfAnOutgoingConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	addr := conn.LocalAddr().String()
	_, err = listen(t.Context(), addr)
	want := "it is this machine's end of an outgoing connection"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "net.ipv4.ip_local_reserved_ports="+portOf(addr)) {
		t.Errorf("got %v, want %s", err, want)
	}
}
