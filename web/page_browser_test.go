package web_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
)

const (
	pageAPIKey = "key-of-the-page-test"
	// watchPolicy notes violations in the page itself: the console may tell of
	// them late.
	watchPolicy = `globalThis.violations = [];
		addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI))`
	pageWait = hubtest.Patience // for anything to appear in a page
)

// tower is a running server that can be stopped and started again at the same
// address.
type tower struct {
	addr    string // host:port
	handler http.Handler
	stop    func()       // idempotent; sends the clients away
	tested  atomic.Value // names of deadlines in scripts; see patientScripts
	polls   atomic.Int64 // that it is answering
}

// patientScripts are scripts, and those of their deadlines that pass on a busy
// machine though nothing is wrong. Pages get them with deadlines of a minute, but
// for those that a test is about.
var patientScripts = map[string]*regexp.Regexp{
	"/websocket.js":   regexp.MustCompile(`const (NATIVE_WAIT|OPEN_WAIT|TRIAL_MIN|TRIAL_MAX|POLL_WAIT|CLOSE_WAIT|CLOSE_LINE_WAIT) = [\d_]+;`),
	"/belfry.js":      regexp.MustCompile(`const (OPEN_TIMEOUT|REPLY_TIMEOUT) = [\d_]+;`),
	"/static/chat.js": regexp.MustCompile(`const (UNNOTICED) = [\d_]+;`),
}

// patient serves a script with long deadlines, and passes on everything else.
func (b *tower) patient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("via") == "poll" {
			b.polls.Add(1)
			defer b.polls.Add(-1)
		}
		deadlines := patientScripts[r.URL.Path]
		if deadlines == nil {
			h.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		tested, _ := b.tested.Load().(string)
		script := deadlines.ReplaceAllStringFunc(answer.Body.String(), func(line string) string {
			name := deadlines.FindStringSubmatch(line)[1]
			if strings.Contains(tested, name) {
				return line
			}
			return fmt.Sprintf("const %s = %d;", name, time.Minute.Milliseconds())
		})
		maps.Copy(w.Header(), answer.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(answer.Code)
		_, _ = io.WriteString(w, script)
	})
}

// startTower serves on addr, which may end in ":0", until the test ends.
func startTower(t *testing.T, addr string) *tower {
	t.Helper()
	return startTowerBy(t, addr, hub.Options{Rules: roomRules()})
}

// startTowerBy serves channels by options of the hub, and changes those of the server.
func startTowerBy(t *testing.T, addr string, o hub.Options, changes ...func(*web.Options)) *tower {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	h := hub.New(o)
	options := web.Options{Hub: h, APIKey: pageAPIKey, Version: "test", Logger: slog.New(slog.DiscardHandler)}
	for _, change := range changes {
		change(&options)
	}
	s := web.New(options)
	b := &tower{addr: listener.Addr().String()}
	b.handler = b.patient(s)
	server := &http.Server{Handler: b.handler, ReadHeaderTimeout: hubtest.Patience}

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.Run(ctx); err != nil {
			t.Errorf("hub: %v", err)
		}
	})
	running.Go(func() { s.Run(ctx) })
	running.Go(func() { _ = server.Serve(listener) })
	b.stop = sync.OnceFunc(func() {
		_ = listener.Close() // first of all: nobody shall come back yet
		soon, done := context.WithTimeout(ctx, hubtest.Patience)
		defer done()
		_ = s.Shutdown(soon)
		_ = server.Shutdown(soon) // answers that say so are on their way
		cancel()
		running.Wait()
	})
	t.Cleanup(b.stop)
	return b
}

func (b *tower) url(path string) string { return "http://" + b.addr + path }

// publish publishes to a channel as a backend does.
func (b *tower) publish(t *testing.T, channel, data string) {
	t.Helper()
	b.call(t, "/api/publish", fmt.Sprintf(`{"channel":%q,"data":%s}`, channel, data))
}

// call makes a call of the API.
func (b *tower) call(t *testing.T, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", pageAPIKey)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %s", path, body, answer.Status)
	}
}

// tab is an open page of a user of its own: tabs share no storage.
type tab struct {
	*testing.T

	ctx     context.Context
	mu      sync.Mutex // guards console
	console []string   // errors and warnings, oldest first
}

// openTab opens a page and follows its console.
func openTab(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	return openTabBeside(t, browser, url, chromedp.WithNewBrowserContext())
}

// openTabBeside opens a page with options of its own.
func openTabBeside(t *testing.T, parent context.Context, url string, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	p := &tab{T: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	go p.follow(messages) // ends with ctx
	script := page.AddScriptToEvaluateOnNewDocumentParams{Source: watchPolicy}
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, script); err != nil {
		t.Fatal(err)
	}
	p.do("open "+url, chromedp.Navigate(url))
	return p
}

func (p *tab) follow(messages func(func(chromedp.ConsoleMessage, error) bool)) {
	for m, err := range messages {
		if err != nil {
			return
		}
		p.mu.Lock()
		p.console = append(p.console, m.String())
		p.mu.Unlock()
	}
}

// said returns what the console has said, everything up to now.
func (p *tab) said() []string {
	p.Helper()
	const end = "that was all"
	p.run(fmt.Sprintf("console.info(%q)", end))
	deadline := time.Now().Add(pageWait)
	for time.Now().Before(deadline) {
		p.mu.Lock()
		said := slices.Clone(p.console)
		p.mu.Unlock()
		if i := slices.IndexFunc(said, func(s string) bool { return strings.Contains(s, end) }); i >= 0 {
			return said[:i]
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Fatal("the console does not follow")
	return nil
}

// wantQuiet fails the test if the page has said anything on the console or
// wanted what the Content-Security-Policy forbids.
func (p *tab) wantQuiet() {
	p.Helper()
	if got := p.eval("violations"); got != "" {
		p.Errorf("against the Content-Security-Policy: %s", got)
	}
	for _, line := range p.said() {
		p.Errorf("console: %s", line)
	}
}

func (p *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageWait)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.Fatalf("%s: %v", what, err)
	}
}

// run runs a script, and waits for its promise if it returns one.
func (p *tab) run(script string) {
	p.Helper()
	p.do(script, chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise))
}

// eval returns the value of an expression as a string.
func (p *tab) eval(expression string) string {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageWait)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return value
}

// text returns the text of the first element that a CSS selector finds.
func (p *tab) text(selector string) string {
	p.Helper()
	return p.eval(fmt.Sprintf("document.querySelector(%q)?.textContent", selector))
}

// waitFor waits until a JavaScript expression is true.
func (p *tab) waitFor(expression string) {
	p.Helper()
	deadline := time.Now().Add(pageWait)
	for p.eval("Boolean("+expression+")") != "true" {
		if time.Now().After(deadline) {
			p.Fatalf("never so: %s\nchat: %s\nline: %s", expression, p.text("#chat-log"), p.text("#line-log"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// waitForText waits until some element that a CSS selector finds holds a text.
func (p *tab) waitForText(selector, text string) {
	p.Helper()
	p.waitFor(fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.textContent.includes(%q))", selector, text))
}

// fill replaces the value of a field by typing.
func (p *tab) fill(selector, text string) {
	p.Helper()
	p.run(fmt.Sprintf("document.querySelector(%q).select()", selector))
	p.do("fill "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (p *tab) click(selector string) {
	p.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// say sends a chat message under a name.
func (p *tab) say(name, text string) {
	p.Helper()
	p.fill("#chat-name", name)
	p.fill("#chat-text", text+"\r")
}
