package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"belfry/hub/hubtest"
)

// TestPage uses /socketexample as a visitor does, in a real browser on the real
// server.
func TestPage(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, context.Context)
	}{
		{"the date ticks", testPageDate},
		{"two tabs chat", testPageChat},
		{"what members type is never run", testPageHostile},
		{"a backend's messages", testPageBackend},
		{"members see each other", testPagePeople},
		{"a crowd", testPageCrowd},
		{"members after a restart", testPagePeopleRestart},
		{"the server does not tell who is here", testPageUntold},
		{"what was said while away", testPageAway},
		{"what was said before", testPageEarlier},
		{"the echo lab", testPageEcho},
		{"the curl command publishes", testPageCurl},
		{"the server is restarted", testPageRestart},
		{"the line is cut by hand", testPageCut},
		{"no script but the server's own", testPagePolicy},
		{"the first page", testFirstPage},
		{"behind a path", testPageBehindPath},
		{"nothing sticks out", testPageWidths},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, browser)
		})
	}
}

// openPage opens /socketexample and waits until it is live.
func openPage(t *testing.T, browser context.Context, b *tower) *tab {
	t.Helper()
	p := openTab(t, browser, b.url("/socketexample"))
	p.waitFor("document.getElementById('state').textContent === 'Live'")
	return p
}

func testPageDate(t *testing.T, browser context.Context) {
	p := openPage(t, browser, startTower(t, "127.0.0.1:0"))
	p.run(`globalThis.strokes = [];
		new MutationObserver(() => strokes.push(["#clock-text", "#dial .second"].map(s => document.querySelector(s).textContent).join("|")))
			.observe(document.querySelector("#clock-text"), { childList: true }); undefined`)
	p.waitFor("strokes.length >= 4")
	var last time.Time
	for stroke := range strings.Lines(p.eval(`strokes.join("\n")`)) {
		text, second, _ := strings.Cut(strings.TrimSpace(stroke), "|")
		date, err := http.ParseTime(text)
		if err != nil {
			t.Fatalf("the server's text: %v", err)
		}
		if date.Before(last.Add(time.Second)) { // a busy machine may miss one
			t.Errorf("from %v to %v: want the next second", last, date)
		}
		if want := date.Format("05"); second != want {
			t.Errorf("the dial shows second %q at %v, want %q", second, date, want)
		}
		last = date
	}
	if live := p.eval("document.querySelector('#clock [aria-live], #clock[aria-live]')"); live != "null" {
		t.Errorf("the clock is read aloud each second: %s", live)
	}
	p.wantQuiet()
}

func testPageChat(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	ada, bob := openPage(t, browser, b), openPage(t, browser, b)
	ada.say("Ada", "Does the bell reach you?")
	bob.waitForText("#chat-log .who", "Ada")
	bob.say("Bob", "It does: ünï·çødé 🔔")
	for _, p := range []*tab{ada, bob} {
		p.waitForText("#chat-log .text", "It does: ünï·çødé 🔔")
		p.waitForText("#chat-present", "2 present")
		want := regexp.MustCompile(`^\d\d:\d\d:\d\dAda Does the bell reach you\?\|\d\d:\d\d:\d\dBob It does: ünï·çødé 🔔$`)
		if got := p.eval(`[...document.querySelectorAll("#chat-log .said")].map(e => e.textContent).join("|")`); !want.MatchString(got) {
			t.Errorf("chat: got %q, want %q", got, want)
		}
		p.wantQuiet()
	}
	ada.do("open again", chromedp.Navigate(b.url("/socketexample")))
	ada.waitFor("document.getElementById('chat-name').value === 'Ada'")
}

func testPageHostile(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	attacker, p := openPage(t, browser, b), openPage(t, browser, b)
	const name = `<img src=x onerror=window.ran=1>`
	const text = `<script>window.ran=2</script><b onclick="window.ran=3">&amp;</b>`
	attacker.say(name, text)
	p.waitForText("#chat-log .text", text) // before the backend's, which take another way in
	b.publish(t, "chat", `{"name":{"__proto__":1},"text":"<img src=x onerror=window.ran=4>"}`)
	b.publish(t, "chat", `{"<img src=x onerror=window.ran=5>":["</code><script>window.ran=6</script>"]}`)
	b.publish(t, "chat", `"<svg onload=window.ran=7>"`)
	p.click("#echo-open")
	p.waitForText("#echo-log", "connected")
	p.fill("#echo-text", text+"\r")
	p.waitForText("#echo-log .echo .text", text)
	joinChat(t, b, `{"name":"<img src=x onerror=window.ran=8>"}`)
	joinChat(t, b, `{"name":{"toString":"x"},"__proto__":{"name":"<img src=x onerror=window.ran=9>"}}`)
	joinChat(t, b, `["<script>window.ran=10</script>"]`)
	for _, page := range []*tab{attacker, p} {
		page.waitForText("#chat-log .text", "<svg onload=window.ran=7>")
		page.waitForText("#chat-people .who", name)
		page.waitForText("#chat-people .who", "<img src=x onerror=window.ran=8>")
		page.waitForText("#chat-present", "5 present")
		if got := page.text("#chat-log .said .who"); got != name {
			t.Errorf("name: got %q, want %q", got, name)
		}
		if got := page.text("#chat-log .said .text"); got != text {
			t.Errorf("text: got %q, want %q", got, text)
		}
		page.waitForText("#chat-log .joins", "<img src=x onerror=window.ran=8>")
		if got := page.eval(`document.querySelectorAll("main img, main b, .chat svg, main script").length`); got != "0" {
			t.Errorf("%s elements came out of messages, want 0", got)
		}
		if got := page.eval("window.ran"); got != "undefined" {
			t.Errorf("script %s of a message has run", got)
		}
		page.wantQuiet()
	}
}

func testPageBackend(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	p := openPage(t, browser, b)
	p.waitForText("#chat-present", "1 present") // so the chat is subscribed
	for i, test := range []struct{ data, who, text string }{
		{`"plain text"`, "server", "plain text"},
		{`{"text":"no name"}`, "server", "no name"},
		{`{"name":"Deploy","text":"done"}`, "Deploy", "done"},
		{`{"build":1187,"ok":true}`, "server", `{"build":1187,"ok":true}`},
		{`[1,null]`, "server", "[1,null]"},
		{`null`, "server", "null"},
		{`42`, "server", "42"},
	} {
		b.publish(t, "chat", test.data)
		p.waitFor(fmt.Sprintf(`document.querySelectorAll("#chat-log .line").length === %d`, i+1))
		last := `#chat-log .line:last-child`
		if who, text := p.text(last+" .who"), p.text(last+" .text"); who != test.who || text != test.text {
			t.Errorf("%s: got %q by %q, want %q by %q", test.data, text, who, test.text, test.who)
		}
	}
	for range 250 {
		b.publish(t, "chat", `"once more"`)
	}
	b.publish(t, "chat", `"the last"`)
	p.waitForText("#chat-log", "the last")
	if got := p.eval(`document.querySelectorAll("#chat-log .line").length`); got != "200" {
		t.Errorf("the chat keeps %s lines, want 200", got)
	}
	p.wantQuiet()
}

func testPageEcho(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	p, other := openPage(t, browser, b), openPage(t, browser, b)
	if got, want := p.eval("document.getElementById('echo-url').value"), "ws://"+b.addr+"/echo"; got != want {
		t.Errorf("server: got %q, want %q", got, want)
	}
	for _, page := range []*tab{p, other} {
		page.click("#echo-open")
		page.waitForText("#echo-log", "connected")
	}
	p.fill("#echo-text", "is anybody there?\r")
	p.waitForText("#echo-log .echo .text", "is anybody there?")
	if got := p.text("#echo-log .echo .trip"); !regexp.MustCompile(`^[\d.]+ m?s$`).MatchString(got) {
		t.Errorf("round trip: got %q, want a time", got)
	}
	if got := p.text("#echo-log .echo time"); !regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3}$`).MatchString(got) {
		t.Errorf("time of the line: got %q, want hours to milliseconds", got)
	}
	p.click("#echo-peal")
	p.waitFor(`document.querySelectorAll("#trips rect").length === 21`)
	p.waitForText("#trips-sum", "21 in all")
	p.waitForText("#echo-log .date .text", " GMT")

	other.click("#echo-close")
	other.waitForText("#echo-log", "closed: 1")
	p.waitFor(`[...document.querySelectorAll("#echo-log .text")].some(e => /^guest-\w+ left$/.test(e.textContent))`)
	p.fill("#echo-text", "quit\r")
	p.waitForText("#echo-log .note", "closed: 1000, bye")
	p.waitFor(`document.getElementById("echo-submit").disabled && !document.getElementById("echo-open").disabled`)
	p.fill("#echo-url", "ftp://example.com\r")
	p.waitForText("#echo-log .note", "want ws:// or wss://")
	p.wantQuiet()
}

func testPageCurl(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	p := openPage(t, browser, b)
	p.waitForText("#chat-present", "1 present")
	command := p.text("#curl")
	want := "curl http://" + b.addr + `/api/publish \
  -H "X-API-Key: $BELFRY_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"channel":"chat","data":{"name":"curl","text":"Hello, town"}}'`
	if command != want {
		t.Fatalf("the command:\n%s\nwant:\n%s", command, want)
	}
	hubtest.Need(t, "curl")
	shell := exec.CommandContext(t.Context(), "sh", "-c", command+" --noproxy '*' --silent --show-error --max-time 5")
	shell.Env = append(os.Environ(), "BELFRY_API_KEY="+pageAPIKey)
	if out, err := shell.CombinedOutput(); err != nil || !strings.Contains(string(out), `"result"`) {
		t.Fatalf("curl: %v, %s", err, out)
	}
	p.waitForText("#chat-log .who", "curl")
	p.waitForText("#chat-log .text", "Hello, town")
	p.click("#copy")
	p.waitFor(`/^(Copied|Selected)/.test(document.getElementById("copied").textContent)`)
	p.wantQuiet()
}

func testPageRestart(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	p := openPage(t, browser, b)
	p.waitFor(`document.getElementById("clock").dataset.state === "striking"`)
	p.wantQuiet()

	b.stop()
	p.waitFor(`document.getElementById("bar").dataset.state === "lost"`)
	p.waitFor(`/^Lost · next try in \d+ s$/.test(document.getElementById("state").textContent)`)
	p.waitForText("#line-log .broken .what", "lost: 3001, shutdown")
	p.waitForText("#state-aloud", "Connection lost, trying again")
	if got := p.eval("document.getElementById('clock').dataset.state"); got != "stopped" {
		t.Errorf("the clock is %q without the server, want stopped", got)
	}
	p.say("Ada", "into the void")
	p.waitForText("#chat-fault", "not connected")
	if got := p.eval("document.getElementById('chat-text').value"); got != "into the void" {
		t.Errorf("a message that was not sent is %q in its field, want it kept", got)
	}

	again := startTower(t, b.addr)
	p.waitFor("document.getElementById('state').textContent === 'Live'")
	p.waitForText("#line-log .mended .then", "back at")
	p.waitForText("#state-aloud", "Connected again")
	p.waitForText("#chat-log .note", "You were away for")
	p.waitFor(`document.getElementById("clock").dataset.state === "striking"`)
	again.publish(t, "chat", `"welcome back"`)
	p.waitForText("#chat-log .text", "welcome back")
	for _, line := range p.said() {
		if !strings.Contains(line, "WebSocket connection to 'ws://"+b.addr) { // the tries in between
			t.Errorf("console: %s", line)
		}
	}
}

func testPageCut(t *testing.T, browser context.Context) {
	p := openPage(t, browser, startTower(t, "127.0.0.1:0"))
	p.click("#cut")
	p.waitForText("#line-log .mended .what", "reconnect was asked for")
	p.waitFor("document.getElementById('state').textContent === 'Live'")
	p.say("Ada", "back")
	p.waitForText("#chat-log .text", "back")
	p.wantQuiet()
}

// testPagePolicy checks the header, that the page needs nothing it forbids, and
// that a script which gets in all the same is stopped and noticed.
func testPagePolicy(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son\w+=|<script(?:[^>]*)>[^<]|javascript:`)
	for _, path := range []string{"/", "/socketexample"} {
		answer, err := http.Get(b.url(path))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		policy := strings.Split(answer.Header.Get("Content-Security-Policy"), "; ")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
			if !slices.Contains(policy, want) {
				t.Errorf("%s: Content-Security-Policy %q lacks %q", path, policy, want)
			}
		}
		if found := inline.Find(body); found != nil {
			t.Errorf("%s has something inline: %q", path, found)
		}
	}
	p := openPage(t, browser, b)
	p.wantQuiet()
	p.run(`document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = 1" }))`)
	if got := p.eval("window.ran"); got != "undefined" {
		t.Error("an inline script has run")
	}
	p.waitFor(`violations.length === 1 && violations[0].startsWith("script-src")`)
}

func testFirstPage(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	p := openTab(t, browser, b.url("/"))
	p.waitForText("#date", " GMT")
	p.waitForText("#curl", "curl http://"+b.addr+"/api/publish")
	p.waitForText("#subscribe-code", "http://"+b.addr+"/belfry.js")
	for _, path := range []string{"socketexample", "belfry.js", "websocket.js", "healthz", "readyz", "static/favicon.svg"} {
		if got := p.eval(fmt.Sprintf("document.querySelector('[href=%q]') !== null", path)); got != "true" {
			t.Errorf("no link to %s", path)
		}
		p.run(fmt.Sprintf("fetch(%q).then(r => { if (!r.ok) throw new Error(r.status) })", path))
	}
	p.wantQuiet()
}

func testPageWidths(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	for _, path := range []string{"/", "/socketexample"} {
		p := openTab(t, browser, b.url(path))
		for _, width := range []int64{360, 390, 768, 1280, 1920} {
			p.do("resize", chromedp.EmulateViewport(width, 800))
			if got := p.eval("document.documentElement.scrollWidth"); got != fmt.Sprint(width) {
				t.Errorf("%s is %s pixels wide in a window of %d", path, got, width)
			}
		}
	}
}
