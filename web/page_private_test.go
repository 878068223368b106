package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"belfry/hub"
	"belfry/hub/hubtest"
)

// TestBrowserPrivate shows tokens on the page: who one is, a channel of one's own beside
// the chat, which goes on as nobody's, and why a token is not taken. Without keys it
// explains how to have some.
func TestBrowserPrivate(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	rules := append(hub.Rules{{Match: "user:{user}:*", ServerPublish: true, Subscribe: hub.WhoUser, Publish: hub.WhoSubscriber}}, roomRules()...)
	b := startTowerBy(t, "127.0.0.1:0", hub.Options{Rules: rules}, withUsers)
	p := openTab(t, browser, b.url("/socketexample"))
	p.waitFor(`document.querySelector("#bar").dataset.state === "connected" && document.querySelector("#private-how").hidden`)
	p.show(tokenFor(t, "ada", nil))
	p.waitForText("#private-user", "ada")
	p.waitForText("#private-log", "You hear user:ada:line.")
	p.waitForText("#private-until", ", in ")
	b.publish(t, "user:ada:line", `"for your eyes only"`)
	p.waitForText("#private-log .said", "server for your eyes only")
	p.fill("#private-text", "to myself\r")
	p.waitForText("#private-log .said", "ada to myself")
	p.fill("#private-channel", "user:bob:line\r")
	p.waitForText("#private-log", "The server does not let you hear user:bob:line: permission denied")
	p.say("Ada", "in public")
	p.waitForText("#chat-log", "Ada in public")
	if chat := p.text("#chat-log"); strings.Contains(chat, "eyes only") || strings.Contains(chat, "myself") {
		t.Errorf("what is private is in the chat: %s", chat)
	}
	p.show(tokenFor(t, "ada", jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}))
	p.waitForText("#private-fault", "This token is not taken: it has expired")
	p.show("forged")
	p.waitForText("#private-fault", "This token is not taken: 3500, invalid token")
	p.waitForText("#private-user", "nobody in particular")
	p.wantQuiet()

	plain := openTab(t, browser, startTower(t, "127.0.0.1:0").url("/socketexample"))
	plain.waitFor(`!document.querySelector("#private-how").hidden && document.querySelector("#private-bench").hidden && document.querySelector("#private-line").hidden`)
	plain.wantQuiet()
}

// show pastes a token and shows it.
func (p *tab) show(token string) {
	p.Helper()
	p.fill("#private-token", token+"\r")
}
