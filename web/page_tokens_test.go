package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// tokenBackend makes tokens for whoever asks: GET /?user=…&channel=…&ttl=SECONDS.
func tokenBackend(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		ttl, _ := strconv.Atoi(query.Get("ttl"))
		claims := jwt.MapClaims{"exp": time.Now().Add(time.Duration(ttl) * time.Second).Unix()}
		if channel := query.Get("channel"); channel != "" {
			claims["channel"] = channel
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = io.WriteString(w, tokenFor(t, query.Get("user"), claims))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// tokenCases are those of tokens.mjs, by their names.
func tokenCases(t *testing.T) (script string, names []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/npm/tokens.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^    async '(.*)'\(\) \{$`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, found[1])
	}
	return string(text), names
}

// TestBrowserClientTokens has belfry.js get, show and refresh tokens in a real browser.
func TestBrowserClientTokens(t *testing.T) {
	t.Parallel()
	browser, backend := hubtest.Browser(t), tokenBackend(t)
	b := startTowerBy(t, "127.0.0.1:0", hub.Options{Rules: userRules()}, withUsers)
	script, names := tokenCases(t)
	p := openTab(t, browser, b.url("/healthz"))
	p.run(fmt.Sprintf(`globalThis.got = undefined; fetch("/belfry.js").then(answer => answer.text()).then(text => {
		%s
		run(load(hasty(text)), %q, %q).then(lines => { got = lines.join("\n"); }, error => { got = String(error); });
	})`, strings.ReplaceAll(script, "export ", ""), b.url(""), backend))
	p.waitFor("got")
	if got, want := p.eval("got"), strings.Join(names, "\n"); got != want || len(names) < 10 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestClientTokensInNode has the same in Node, and a getToken that hangs.
func TestClientTokensInNode(t *testing.T) {
	t.Parallel()
	hubtest.NeedPackage(t, "testdata/npm", "ws")
	backend := tokenBackend(t)
	s := newTestServer(t, withUsers)
	_, names := tokenCases(t)
	dir, err := filepath.Abs("testdata/npm")
	if err != nil {
		t.Fatal(err)
	}
	script := `import fs from "node:fs"; import WebSocket from "ws"; import { hasty, load, run, runImpatient } from "./tokens.mjs";
		globalThis.WebSocket = WebSocket; const [server, backend] = process.argv.slice(1);
		const text = hasty(fs.readFileSync("../../page/static/belfry.js", "utf8"));
		console.log((await run(load(text), server, backend)).join("\n"));
		console.log(await runImpatient(load(text.replace("TOKEN_TIMEOUT = 10_000", "TOKEN_TIMEOUT = 50")), server));
		process.exit();`
	ctx, cancel := context.WithTimeout(t.Context(), 2*hubtest.Patience)
	defer cancel()
	node := exec.CommandContext(ctx, hubtest.Need(t, "node"), "--input-type=module", "-e", script, s.URL, backend)
	node.Dir = dir
	text, err := node.CombinedOutput()
	want := strings.Join(append(names, "2 calls, 2 aborted"), "\n") + "\n"
	if got := string(text); err != nil || got != want {
		t.Errorf("%v, got\n%s\nwant\n%s\n%s", err, got, want, s.log)
	}
}
