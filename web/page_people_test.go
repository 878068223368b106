package web_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// joinChat subscribes to the chat until the test ends, or the returned function
// is called, under data that need not be what the page sends.
func joinChat(t *testing.T, b *tower, data string) (leave func()) {
	t.Helper()
	c, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+b.addr+"/connection/websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	leave = func() { _ = c.Close() }
	t.Cleanup(leave)
	commands := `{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"chat","data":` + data + `}}`
	if err := c.WriteMessage(websocket.TextMessage, []byte(commands)); err != nil {
		t.Fatal(err)
	}
	for subscribed := false; !subscribed; {
		_, answer, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		subscribed = strings.Contains(string(answer), `"id":2,"subscribe"`)
	}
	go func() { // answers pings, and ends with the connection
		for {
			_, text, err := c.ReadMessage()
			if err != nil {
				return
			}
			if string(text) == "{}" {
				_ = c.WriteMessage(websocket.TextMessage, text)
			}
		}
	}()
	return leave
}

// rename changes the name in the field as one does who then goes on elsewhere.
func (p *tab) rename(name string) {
	p.Helper()
	p.fill("#chat-name", name)
	p.run(`document.getElementById("chat-name").blur()`)
}

// waitForPeople waits until the list shows exactly these, in this order, and the
// count beside the heading is theirs.
func (p *tab) waitForPeople(names ...string) {
	p.Helper()
	const shown = `[...document.querySelectorAll("#chat-people li:not([hidden])")].map(e => e.textContent).join("|")`
	p.waitFor(fmt.Sprintf("%s === %q", shown, strings.Join(names, "|")))
	p.waitForText("#chat-present", fmt.Sprintf("%d present", len(names)))
}

// joins returns the lines that tell who has joined and left.
func (p *tab) joins() string {
	p.Helper()
	return p.eval(`[...document.querySelectorAll("#chat-log .joins .text")].map(e => e.textContent.trim()).join("|")`)
}

func testPagePeople(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	ada, bob := openPage(t, browser, b), openPage(t, browser, b)
	ada.rename("Ada")
	bob.rename("Bob")
	ada.waitForPeople("Ada (you)", "Bob")
	bob.waitForPeople("Bob (you)", "Ada")
	leave := joinChat(t, b, `{"name":"Bob"}`) // a name is nobody's own
	ada.waitForPeople("Ada (you)", "Bob", "Bob")

	bob.rename("Grace")
	ada.waitForPeople("Ada (you)", "Bob", "Grace")
	bob.waitForPeople("Grace (you)", "Ada", "Bob")
	ada.waitForText("#chat-log .joins", "Grace")
	if got := ada.joins(); strings.Contains(got, "left") {
		t.Errorf("a change of name reads as leaving: %q", got)
	}
	ada.say("Ada", "a line between")
	leave()
	ada.waitForPeople("Ada (you)", "Grace")
	ada.waitForText("#chat-log .joins", "Bob left.")

	guest := regexp.MustCompile(`^guest-[0-9a-z]{5}$`)
	for _, nameless := range []string{`null`, `{}`, `{"name":" \u200b\u3164 "}`, `{"name":42}`, `[]`} {
		leave := joinChat(t, b, nameless)
		ada.waitForText("#chat-present", "3 present")
		if got := ada.text("#chat-people li:last-of-type .who, #chat-people li:nth-child(3) .who"); !guest.MatchString(got) {
			t.Errorf("a member who says %s is shown as %q, want guest-…", nameless, got)
		}
		leave()
		ada.waitForPeople("Ada (you)", "Grace")
	}

	bob.do("leave", chromedp.Navigate(b.url("/healthz")))
	ada.waitForPeople("Ada (you)")
	bob.run("setTimeout(() => history.back())") // which ends the page that is asked; the browser may have kept the other
	ada.waitForPeople("Ada (you)", "Grace")
	if err := chromedp.Cancel(bob.ctx); err != nil {
		t.Fatal(err)
	}
	ada.waitForPeople("Ada (you)")
	ada.wantQuiet()
}

// testPageCrowd has more members than the page has room for.
func testPageCrowd(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	p := openPage(t, browser, b)
	p.rename("Ada")
	p.waitForPeople("Ada (you)")
	for i := range 100 {
		joinChat(t, b, fmt.Sprintf(`{"name":"Member %d %s"}`, i, strings.Repeat("W", i%40)))
	}
	p.waitForText("#chat-present", "101 present")
	for _, width := range []int64{360, 390, 1280} {
		p.do("resize", chromedp.EmulateViewport(width, 800))
		p.waitFor(`(() => {
			const list = document.getElementById("chat-people");
			const shown = list.querySelectorAll("li:not([hidden]):not(.more)").length;
			const bottom = list.getBoundingClientRect().bottom;
			return shown > 1 && list.clientHeight < 60
				&& list.querySelector(".more:not([hidden])")?.textContent === "+ " + (101 - shown) + " more"
				&& [...list.querySelectorAll("li:not([hidden])")].every(li => li.getBoundingClientRect().bottom <= bottom + 1)
				&& document.documentElement.scrollWidth === innerWidth;
		})()`)
	}
	if lines := p.eval(`document.querySelectorAll("#chat-log .line").length`); lines != "1" && lines != "0" {
		t.Errorf("a crowd that comes makes %s lines in the chat, want one at most", lines)
	}
	p.wantQuiet()
}

func testPagePeopleRestart(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	ada, bob := openPage(t, browser, b), openPage(t, browser, b)
	ada.rename("Ada")
	bob.rename("Bob")
	joinChat(t, b, `{"name":"Eve"}`)
	ada.waitForPeople("Ada (you)", "Bob", "Eve")
	bob.waitForPeople("Bob (you)", "Ada", "Eve")
	before := ada.joins()

	b.stop()
	ada.waitFor(`document.getElementById("chat-people").dataset.stale === "true"`)
	if got := ada.text("#chat-present"); got != "" {
		t.Errorf("without a connection the page says %q", got)
	}
	again := startTower(t, b.addr)
	ada.waitForPeople("Ada (you)", "Bob") // Eve takes longer to come back
	bob.waitForPeople("Bob (you)", "Ada")
	joinChat(t, again, `{"name":"Eve"}`)
	ada.waitForPeople("Ada (you)", "Bob", "Eve")
	if got := ada.joins(); got != before {
		t.Errorf("those who come back are told of: got %q, before %q", got, before)
	}
	joinChat(t, again, `{"name":"Kim"}`)
	ada.waitForPeople("Ada (you)", "Bob", "Eve", "Kim")
	ada.waitForText("#chat-log .joins", "Kim joined.")
}

// testPageUntold has a chat without presence.
func testPageUntold(t *testing.T, browser context.Context) {
	b := startTowerBy(t, "127.0.0.1:0", hub.Options{Rules: hub.Rules{{Match: "*", ServerPublish: true, ClientPublish: true}}})
	p := openPage(t, browser, b)
	p.waitFor(`document.getElementById("chat-people").hidden`)
	p.say("Ada", "anybody?")
	p.waitForText("#chat-log .text", "anybody?")
	if got := p.text("#chat-present"); got != "" && got != "1 present" {
		t.Errorf("count: got %q, want that of the server or none", got)
	}
	p.wantQuiet()
}

// testPageAway cuts one reader's connection while the others talk.
func testPageAway(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	proxy := hubtest.NewProxy(t, b.addr)
	p := openTab(t, browser, "http://"+proxy.Addr()+"/socketexample")
	p.waitForText("#chat-present", "1 present")
	b.publish(t, "chat", `"before"`)
	p.waitForText("#chat-log .text", "before")

	proxy.Refuse(true)
	proxy.Cut()
	p.waitFor(`document.getElementById("bar").dataset.state === "lost"`)
	b.publish(t, "chat", `"meanwhile 1"`)
	b.publish(t, "chat", `"meanwhile 2"`)
	proxy.Refuse(false)
	p.waitForText("#chat-log .note", "2 of the messages above came meanwhile")
	b.publish(t, "chat", `"after"`)
	p.waitForText("#chat-log .text", "after")
	const said = `[...document.querySelectorAll("#chat-log .said .text")].map(e => e.textContent).join("|")`
	if got, want := p.eval(said), "before|meanwhile 1|meanwhile 2|after"; got != want {
		t.Errorf("chat: got %q, want %q", got, want)
	}
	p.waitForPeople(p.text("#chat-people li"))
}

// testPageEarlier opens the page after something was said.
func testPageEarlier(t *testing.T, browser context.Context) {
	b := startTower(t, "127.0.0.1:0")
	for i := range 60 {
		b.publish(t, "chat", fmt.Sprintf(`"message %d"`, i+1))
	}
	p := openPage(t, browser, b)
	p.waitForText("#chat-log .text", "message 60")
	b.publish(t, "chat", `"message 61"`)
	p.waitForText("#chat-log .text", "message 61")
	var want []string
	for i := range 51 {
		want = append(want, fmt.Sprintf("message %d", i+11))
	}
	const said = `[...document.querySelectorAll("#chat-log .said .text")].map(e => e.textContent).join("|")`
	if got := p.eval(said); got != strings.Join(want, "|") {
		t.Errorf("chat: got %q, want messages 11 to 61", got)
	}
	p.wantQuiet()
}
