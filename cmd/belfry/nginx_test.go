package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"belfry/hub/hubtest"
)

// nginxPaths are where nginx may be; Debian hides it from everybody but root.
var nginxPaths = []string{"nginx", "/usr/sbin/nginx"}

// TestNginx reaches two nodes through nginx, set up as for Docker, which sends
// each request to another one, while connections are cut: no transport may
// notice.
func TestNginx(t *testing.T) {
	t.Parallel()
	path := nginxPath(t)
	browser := hubtest.Browser(t)
	c := startCluster(t, "channels:\n  - {match: \"chat*\", publish: [server, client]}\n")
	nodes := []*node{c.node, c.start(t, "127.0.0.1:0")}
	site := startNginx(t, path, nodes)
	for _, transport := range []string{"websocket", "events", "stream", "poll"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			testNginxTransport(t, browser, site, nodes, transport)
		})
	}
}

const (
	nginxMessages = 200 // each way
	nginxCut      = 30  // messages between cuts
)

// crossfire sends numbers and notes what comes: these, because a chat sends them
// back, and what backends publish.
const crossfire = `new Promise((opened, failed) => {
	globalThis.WEBSOCKET_FORCE_FALLBACK = %q;
	document.head.append(Object.assign(document.createElement("script"), { src: "/websocket.js", onload: opened, onerror: failed }));
}).then(() => new Promise((opened, failed) => {
	globalThis.heard = [];
	globalThis.socket = new WebSocket("/ws/%s");
	socket.onmessage = ({ data }) => heard.push(data);
	socket.onclose = ({ code, reason }) => failed(new Error(code + reason));
	socket.onopen = opened;
})).then(async () => {
	for (let i = 1; i <= %d; i++) {
		socket.send("up " + i);
		if (i %% 10 === 0) await new Promise(soon => setTimeout(soon, 20));
	}
})`

func testNginxTransport(t *testing.T, browser context.Context, site *nginx, nodes []*node, transport string) {
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	line := hubtest.NewProxy(t, site.addr)
	if err := chromedp.Do(ctx, chromedp.Navigate("http://"+line.Addr()+"/healthz")); err != nil {
		t.Fatal(err)
	}
	channel := "chat-" + transport
	script := fmt.Sprintf(crossfire, transport, channel, nginxMessages)
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise)); err != nil {
		t.Fatalf("%v\nnginx said:\n%s", err, &site.said)
	}
	for i := range nginxMessages {
		if i%nginxCut == nginxCut-1 && transport != "websocket" {
			line.Cut()
		}
		nodes[i%2].call(t, "publish", map[string]any{"channel": channel, "data": fmt.Sprintf("down %d", i+1)})
	}
	for _, way := range []string{"up", "down"} {
		mine := fmt.Sprintf("heard.filter(text => text.startsWith(%q))", way)
		hubtest.Eventually(t, hubtest.Patience, func() bool {
			return value(t, ctx, mine+".length") == fmt.Sprint(nginxMessages)
		}, "all messages "+way)
		if value(t, ctx, mine+".every((text, i) => text === `"+way+" ${i + 1}`)") != "true" {
			t.Errorf("not in order: %s", value(t, ctx, mine))
		}
	}
	if got := value(t, ctx, "socket.transport"); got != transport {
		t.Errorf("transport %s, want %s", got, transport)
	}
	if transport != "websocket" {
		site.wantBoth(t, "/ws/"+channel, nodes)
	}
}

// value returns an expression of a page as a string.
func value(t *testing.T, ctx context.Context, expression string) string {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got
}

func nginxPath(t *testing.T) string {
	t.Helper()
	for _, name := range nginxPaths {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return hubtest.Need(t, nginxPaths[0])
}

// nginx is a running nginx.
type nginx struct {
	addr string // host:port
	log  string // file: a line for each request, with the node that it went to
	said output
}

// startNginx starts nginx in front of nodes. It ends with the test.
func startNginx(t *testing.T, path string, nodes []*node) *nginx {
	t.Helper()
	folder, addr := t.TempDir(), quietAddr(t)
	site := &nginx{addr: addr, log: filepath.Join(folder, "requests")}
	conf := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(t, site, nodes)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-e", "stderr", "-p", folder, "-c", conf, "-g", "daemon off;")
	cmd.Stdout, cmd.Stderr = &site.said, &site.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		answer, err := http.Get("http://" + addr + "/healthz")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil && answer.StatusCode == http.StatusOK
	}, "nginx answers")
	return site
}

// nginxConf is configs/nginx.conf for outside Docker: the nodes are named in it,
// it leaves the machine's own nginx alone, and it has no port for policy files,
// for which small builds lack the module.
func nginxConf(t *testing.T, site *nginx, nodes []*node) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "configs", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	conf, _, _ := strings.Cut(string(content), "\nstream {")
	upstream := "upstream both {\n"
	for _, n := range nodes {
		upstream += "server " + n.host() + ";\n"
	}
	own := upstream + "}\nlog_format node '$upstream_addr $request';\n"
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		own += what + "_temp_path " + what + ";\n"
	}
	for _, change := range [][2]string{
		{`(?m)^error_log .*`, "pid nginx.pid;"},
		{`(?m)^include .*`, ""},
		{`access_log off;`, own + "access_log " + site.log + " node;"},
		{`(?m)^ *resolver .*`, ""},
		{`listen 40132;`, "listen " + site.addr + ";"},
		{`belfry:40132`, "both"},
	} {
		pattern := regexp.MustCompile(change[0])
		if len(pattern.FindAllString(conf, -1)) != 1 {
			t.Fatalf("configs/nginx.conf does not have %s exactly once; the test has to follow it", change[0])
		}
		conf = pattern.ReplaceAllLiteralString(conf, change[1])
	}
	return conf
}

// wantBoth fails the test unless every node got requests with a path, all of
// which were of one session.
func (s *nginx) wantBoth(t *testing.T, path string, nodes []*node) {
	t.Helper()
	content, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		requests := regexp.MustCompile("(?m)^"+regexp.QuoteMeta(n.host())+" .*"+regexp.QuoteMeta(path)+`\?via=(\w+)`).FindAllSubmatch(content, -1)
		kinds := make(map[string]int)
		for _, r := range requests {
			kinds[string(r[1])]++
		}
		t.Logf("%s had %v with %s", n.host(), kinds, path)
		if len(requests) == 0 {
			t.Errorf("%s had no request with %s", n.host(), path)
		}
	}
}
