package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
	"belfry/web/access"
	"belfry/web/token"
)

// Of the two keys for tokens one is good on a few channels only.
const (
	tokenSecret  = "a secret of thirty-two bytes, or so"
	narrowSecret = "another one of thirty-two bytes, or so"
)

var narrowChannels = []string{"token", "user"}

// tokenFor is a token of a user for an hour, with more claims.
func tokenFor(t testing.TB, user string, claims jwt.MapClaims) string {
	t.Helper()
	return tokenBy(t, tokenSecret, user, claims)
}

// tokenBy is one that is signed with a secret.
func tokenBy(t testing.TB, secret, user string, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// withUsers lets clients show tokens, by every way there is.
func withUsers(o *web.Options) {
	v, err := token.New(token.Options{Keys: []token.Key{
		{Name: "main", Algorithm: "HS256", Secret: tokenSecret},
		{Name: "narrow", Algorithm: "HS256", Secret: narrowSecret, Channels: narrowChannels},
	}})
	if err != nil {
		panic(err)
	}
	o.Tokens = &access.Credentials{Verifier: v, Cookie: "belfry", Query: true}
	o.Origins = []string{"http://site.example"}
	if o.Hub == nil {
		o.Hub = hub.New(hub.Options{Rules: userRules()})
	}
}

// userRules have channels for each kind of client.
func userRules() hub.Rules {
	rule := func(match string, who hub.Who) hub.Rule {
		return hub.Rule{Match: match, ServerPublish: true, Subscribe: who, Publish: who, ReadHistory: who, ReadPresence: who,
			History: hub.History{Size: 10}, Presence: true}
	}
	subscriber := rule("subscriber", hub.WhoSubscriber)
	subscriber.Subscribe = hub.WhoAnyone
	return hub.Rules{
		mixedRule, rule("anyone", hub.WhoAnyone), rule("user", hub.WhoUser), rule("token", hub.WhoToken), subscriber, rule("server", hub.WhoServer),
		rule("of:{user}", hub.WhoUser), rule("$private", hub.WhoUser), {Match: "date", ServerPublish: true, Subscribe: hub.WhoServer}, {Match: "echo", ServerPublish: true, Subscribe: hub.WhoServer},
	}
}

// TestWaysToShowTokens shows a token in each way over plain HTTP, and what is answered
// where it does not do.
func TestWaysToShowTokens(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	good, expired := tokenFor(t, "ada", nil), tokenFor(t, "ada", jwt.MapClaims{"exp": 1})
	elsewhere := cursorOf(place{"user", "gone", 1}) // a poll from there is answered at once
	for _, c := range []struct {
		name, query string
		header      []string
		status      int
		challenge   string
	}{
		{"nothing", "", nil, 401, "Bearer"},
		{"a header", "", []string{"Authorization: Bearer " + good}, 200, ""},
		{"a cookie with an origin", "", []string{"Cookie: belfry=" + good, "Origin: http://site.example"}, 200, ""},
		{"a cookie of this site", "", []string{"Cookie: belfry=" + good, "Sec-Fetch-Site: same-origin"}, 200, ""},
		{"a cookie of another site", "", []string{"Cookie: belfry=" + good, "Origin: http://evil.example"}, 403, ""},
		{"a cookie of nobody", "", []string{"Cookie: belfry=" + good}, 401, "Bearer"},
		{"a URL", "&token=" + good, nil, 200, ""},
		{"an expired one", "", []string{"Authorization: Bearer " + expired}, 401, `Bearer error="invalid_token", error_description="token expired"`},
		{"a forged one", "", []string{"Authorization: Bearer " + good[:len(good)-4] + "AAAA"}, 401, `Bearer error="invalid_token", error_description="invalid token"`},
		{"a bad ticket", "&ticket=x", nil, 401, `Bearer error="invalid_token", error_description="invalid ticket"`},
	} {
		for _, request := range []struct{ method, path, accept string }{
			{"GET", "/events?channel=user", "text/event-stream"}, {"GET", "/events?channel=user&cursor=" + elsewhere, "application/json"},
			{"GET", "/ws/user?via=events", "*/*"}, {"POST", "/ws/user?via=stream", "*/*"},
		} {
			t.Run(c.name+" at "+request.path+" as "+request.accept, func(t *testing.T) {
				t.Parallel()
				status, challenge := s.shows(t, request.method, request.path+c.query, append(c.header, "Accept: "+request.accept))
				if status != c.status || challenge != c.challenge {
					t.Errorf("got %d with %q, want %d with %q", status, challenge, c.status, c.challenge)
				}
			})
		}
	}
}

// shows makes a request and returns the head of the answer.
func (s *testServer) shows(t *testing.T, method, target string, header []string) (status int, challenge string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range header {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode, response.Header.Get("WWW-Authenticate")
}

// TestTicketsOverNodes gives a ticket at one node and shows it at another, once. Where
// there are no tokens there are no tickets.
func TestTicketsOverNodes(t *testing.T) {
	t.Parallel()
	rules := func(o *web.Options, b hub.Broker) {
		o.Hub = hub.New(hub.Options{Broker: b, Rules: userRules(), CallWait: hubtest.Patience})
	}
	var nodes []*testServer
	for _, b := range newMembers(2) {
		nodes = append(nodes, newTestServer(t, func(o *web.Options) { rules(o, b); withUsers(o) }))
	}
	hubtest.Eventually(t, hubtest.Patience, func() bool { return ready(nodes) }, "both nodes are ready")
	for i, at := range []*testServer{nodes[0], nodes[1]} {
		status, answer := nodes[0].call(t, "/ticket", "", "Authorization", "Bearer "+tokenFor(t, "ada", nil))
		ticket, _ := answer["ticket"].(string)
		if status != 200 || ticket == "" || answer["ttl"] != 30.0 {
			t.Fatalf("got %d, %v", status, answer)
		}
		for use, want := range []int{200, 401} {
			if status, _ := at.shows(t, "GET", "/events?channel=user&ticket="+url.QueryEscape(ticket), nil); status != want {
				t.Errorf("at node %d, use %d: %d, want %d", i, use+1, status, want)
			}
		}
	}
	if status, _ := nodes[0].call(t, "/ticket", ""); status != 401 {
		t.Errorf("without a token: %d, want 401", status)
	}
	plain := newTestServer(t, nil)
	if status, answer := plain.call(t, "/ticket", "", "Authorization", "Bearer x"); status != 400 || !strings.Contains(fmt.Sprint(answer), "tokens.keys") {
		t.Errorf("without tokens: %d, %v", status, answer)
	}
}

// TestTokensInNoLog has nothing of tokens and tickets in what is logged and answered,
// and the whole reason of a refusal in the log.
func TestTokensInNoLog(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	good := tokenFor(t, "ada", nil)
	forged := good[:len(good)-4] + "AAAA"
	expired := tokenFor(t, "ada", jwt.MapClaims{"exp": 1})
	c := s.dial(t, "/connection/websocket")
	c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, expired))
	answer := c.hear()
	for _, text := range []string{good, forged, expired} {
		s.shows(t, "GET", "/events?channel=server&token="+text, nil)
		s.shows(t, "GET", "/events?channel=server&ticket="+text, []string{"Cookie: belfry=" + text, "Origin: http://site.example"})
	}
	log := s.log.String()
	for _, text := range []string{tokenSecret, good, forged, expired} {
		if secret := text[len(text)-20:]; strings.Contains(log, secret) || strings.Contains(answer, secret) {
			t.Errorf("%q is in the log or in an answer:\n%s\n%s", secret, log, answer)
		}
	}
	if !strings.Contains(log, "claim exp: it expired") || !strings.Contains(log, "the signature is none of the keys'") || strings.Contains(answer, "claim") {
		t.Errorf("the log does not say why, or the client hears it:\n%s\n%s", log, answer)
	}
}

// TestStreamsEndWithTheirToken ends what cannot show another token when it is over, and
// says why.
func TestStreamsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	short := func() string { return tokenFor(t, "ada", jwt.MapClaims{"exp": time.Now().Add(time.Second).Unix() + 1}) }
	const reason = "the token has expired: come back with another"
	if code, text := s.dialAs(t, byHeader, "/ws/user", short()).closed(); code != 1008 || text != reason {
		t.Errorf("a raw socket is closed with %d, %q", code, text)
	}
	link := openLink(t, byHeader.client(t, s, short()), func() string { return s.URL }, "stream", "/ws/user")
	if end := link.end(); end.code != 1008 || end.reason != reason {
		t.Errorf("a session over HTTP ends with %+v", end)
	}
	l := s.listen(t, "channel=user", "Authorization", "Bearer "+short())
	heard := ""
	for !strings.Contains(heard, reason) {
		block := l.block()
		if heard += block; block == "" {
			t.Fatalf("an event stream ends with %q", heard)
		}
	}
	start := time.Now()
	if status, body := s.poll(t, "channel=user", "Authorization", "Bearer "+short()); status != 200 || !strings.Contains(body, `"events":[]`) || time.Since(start) > hubtest.Soon {
		t.Errorf("a poll: %d, %s after %v", status, body, time.Since(start))
	}
}

// TestWhoRecovers has those alone get what they missed who may read the history, by
// every protocol that brings it to whoever subscribes.
func TestWhoRecovers(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, withUsers)
	for _, channel := range []string{"mixed", "subscriber"} {
		s.publish(t, channel, `"seen"`)
		s.publish(t, channel, `"missed"`)
		epoch := fmt.Sprint(s.api(t, "history", fmt.Sprintf(`{"channel":%q}`, channel))["epoch"])
		for _, v := range visitors(t) {
			if v.forged {
				continue
			}
			for by, heard := range s.recovers(t, v, place{channel, epoch, 1}) {
				if got, want := strings.Contains(heard, "missed"), v.may(access.ReadHistory, channel, true); got != want {
					t.Errorf("%s on %s by %s: what was missed came: %t, want %t: %s", v.name, channel, by, got, want, heard)
				}
			}
		}
	}
}

// recovers has a visitor come back from a place, and returns what it hears, up to a
// message that comes then.
func (s *testServer) recovers(t *testing.T, v visitor, from place) (heard map[string]string) {
	t.Helper()
	heard = make(map[string]string)
	c := s.dial(t, "/connection/websocket")
	c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, v.token))
	c.hear()
	c.say(fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q,"recover":true,"epoch":%q,"offset":%d}}`, from.channel, from.epoch, from.offset))
	heard["Centrifuge"] = c.hear()

	header := []string{"Last-Event-ID", cursorOf(from)}
	if v.token != "" {
		header = append(header, "Authorization", "Bearer "+v.token)
	}
	stream, polled := s.listen(t, "channel="+from.channel, header...), make(chan string, 1)
	go func() {
		_, body := s.poll(t, "channel="+from.channel+"&cursor="+cursorOf(from), header[2:]...)
		polled <- body
	}()
	subscribed := func() bool { return len(polled) == 1 || s.hub.NumSubscribers(from.channel) == 3 }
	hubtest.Eventually(t, hubtest.Patience, subscribed, "all three are there")
	s.publish(t, from.channel, `"live"`)
	heard["a poll"] = <-polled
	for block := " "; block != "" && !strings.Contains(heard["a stream"], "live"); {
		block = stream.block()
		heard["a stream"] += block
	}
	s.gone(t, from.channel, c, stream)
	return heard
}

// gone waits until nobody is subscribed to a channel any more.
func (s *testServer) gone(t *testing.T, channel string, c *client, l *listener) {
	t.Helper()
	c.Close()
	l.quit()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers(channel) == 0 }, "nobody is left")
}
