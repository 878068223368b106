package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"belfry/hub/hubtest"
	"belfry/web/token"
)

// TestUsers runs two nodes with users, whom the published Go client connects, while Redis
// and the server of keys go away. Nothing of all that is secret is shown to anybody who
// has no business with it.
func TestUsers(t *testing.T) {
	t.Parallel()
	s := startUserSite(t)
	t.Run("clients", s.testClients)
	t.Run("requests", s.testRequests)
	t.Run("commands", s.testCommands)
	t.Run("Redis away", s.testRedisAway)
	t.Run("keys elsewhere", s.testKeysElsewhere)
	s.a.end()
	s.secrets.check(t)
}

// userSite is two nodes at a Redis, and a backend that signs tokens, with keys of which
// some are at a URL. One node is a process; the other is here, and leaves nothing out of
// its log, however much it is.
type userSite struct {
	secrets secrets
	redis   *hubtest.RedisServer
	keys    *keyServer
	file    string // of the configuration
	a, b    *node
	log     *output  // of b
	names   []string // of sessions over HTTP at b
}

// Of these nothing may be seen. Some of their characters are written otherwise in URLs.
const (
	mainSecret   = "main/secret+of=more&than-32-bytes"
	otherSecret  = "another/secret+that=is&in-base64:"
	redisSecret  = "password-of-redis"
	keysSecret   = "password-of-keys"
	billingKey   = "billing/key+of=the&shop"
	hashedKey    = "key/of+which=only&the-hash-is-known"
	wrongKey     = "no/key+at=all&or-of-somebody-else"
	foreignToken = "foreign.token.of-somebody-else-who-has-mistaken-the-site"
)

// startUserSite starts it, with a log of everything there is to say.
func startUserSite(t *testing.T) *userSite {
	t.Helper()
	s := &userSite{redis: hubtest.Redis(t, "--requirepass", redisSecret), keys: newKeyServer(t)}
	for what, text := range map[string]string{
		"api.key": testKey, "tokens.keys main": mainSecret, "tokens.keys other": otherSecret, "redis.url": redisSecret,
		"tokens.keys site": keysSecret, "api.keys billing": billingKey, "api.keys hashed": hashedKey, "a wrong key": wrongKey, "a wrong token": foreignToken,
	} {
		s.secrets.add(what, text)
	}
	jwks := strings.Replace(s.keys.URL, "http://", "http://belfry:"+keysSecret+"@", 1)
	s.file = writeFile(t, fmt.Sprintf(`api:
  key: %q
  keys:
    - {name: billing, key: %q, calls: [publish], channels: ["news*"]}
    - {name: hashed, sha256: %x}
tokens:
  keys:
    - {name: main, algorithm: HS256, secret: %q}
    - {name: other, algorithm: HS512, secret: "base64:%s", channels: ["news*"]}
    - {name: site, jwks: %q}
  leeway: 0s
  cookie: belfry
  query: true
origins: [http://site.example]
channels:
  - {match: "of:{user}", publish: [user, server], history: {size: 10}, presence: true}
  - {match: "$*", publish: [server], history: {size: 10}}
  - {match: "*", subscribe: [anyone], history: {size: 10}}
log: {level: debug}
policy: {addr: ""}
`, testKey, billingKey, sumOf(hashedKey), mainSecret, base64Of(otherSecret), jwks+"/keys.json"))
	p := start(t, s.environ(), "--config", s.file, "--addr", "127.0.0.1:0")
	s.secrets.watch("the log of a process", p.both)
	s.a = &node{p, p.says(&p.out, `(http://127\.0\.0\.1:\d+)/socketexample`)}
	s.a.waitFor("/readyz", http.StatusOK)
	s.b, s.log = s.serve(t)
	return s
}

func (s *userSite) environ() []string {
	return []string{"BELFRY_REDIS_URL=redis://:" + redisSecret + "@" + s.redis.Addr()}
}

// serve starts a node in this process, and waits until it can publish. It returns the
// log, too.
func (s *userSite) serve(t *testing.T) (*node, *output) {
	t.Helper()
	addr, log := "127.0.0.1:0", &output{}
	config, err := (&configFlags{Config: s.file, Addr: &addr}).load(s.environ())
	if err != nil {
		t.Fatal(err)
	}
	url := serveHere(t, config, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	s.secrets.watch("the log of "+string(url), log.String)
	n := &node{&process{t: t}, string(url)}
	n.waitFor("/readyz", http.StatusOK)
	return n, log
}

// token is one of a user for an hour, with more claims.
func (s *userSite) token(user string, claims map[string]any) string {
	all := map[string]any{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	text, err := token.Sign(token.Key{Algorithm: "HS256", Secret: mainSecret}, all)
	if err != nil {
		panic(err) // the test is wrong
	}
	return s.secrets.add("a token of "+user, text)
}

// connects shows a token as a client of the Centrifuge protocol does, and returns the
// reply, or how the connection was closed.
func (s *userSite) connects(t *testing.T, n *node, token string) string {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(serverURL(n.URL).webSocket("/connection/websocket"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(hubtest.Patience))
	if err := conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"id":1,"connect":{"token":%q}}`, token)); err != nil {
		t.Fatal(err)
	}
	_, text, err := conn.ReadMessage()
	if err != nil {
		text = []byte(err.Error())
	}
	s.secrets.show("the answer to connect", string(text))
	return string(text)
}

// takes wants a node to take a token, or to refuse it with a text.
func (s *userSite) takes(t *testing.T, n *node, token, refusal string) {
	t.Helper()
	if got := s.connects(t, n, token); refusal == "" && !strings.Contains(got, `"client"`) || !strings.Contains(got, refusal) {
		t.Errorf("%s answers %s; want it refused with %q", n.URL, got, refusal)
	}
}

// testRedisAway kills Redis and starts it again, with nothing in it. Users stay, others
// come, and whom the backend has taken something back stays out, also at a node that
// starts later.
func (s *userSite) testRedisAway(t *testing.T) {
	eve := s.client(t, s.b.host(), "eve", nil)
	eve.until("connected")
	s.a.call(t, "block_user", map[string]any{"user": "eve"})
	eve.until("disconnected 3503 force disconnect")
	taken := s.token("ada", map[string]any{"jti": "taken"})
	s.b.call(t, "revoke_token", map[string]any{"uid": "taken"})
	before := s.clientsOf(t, "before")
	for _, c := range before {
		c.until("news: subscribed")
	}
	s.a.publish(t, "news", 1)
	for _, c := range before {
		c.until("news: 1")
	}
	s.redis.Stop()
	meanwhile := s.testWithoutRedis(t, taken)
	s.redis.Start()
	late, _ := s.serve(t)
	hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(s.connects(t, late, taken), "3500") }, "the others give back what was taken back")
	for _, n := range []*node{s.a, s.b, late} {
		n.waitFor("/readyz", http.StatusOK)
		s.refuses(t, n, taken)
		s.takes(t, n, s.token("ada", nil), "")
	}
	for _, c := range before {
		c.until("news: subscribing 2500 insufficient state")
	}
	s.hearAgain(t, append(before, meanwhile...))
}

// clientsOf opens clients of users at both nodes, who follow a channel as soon as they can.
func (s *userSite) clientsOf(t *testing.T, user string) (all []*goClient) {
	t.Helper()
	for _, n := range []*node{s.a, s.b} {
		c := s.client(t, n.host(), user, nil)
		c.follow("news", subscription{})
		c.until("connected")
		all = append(all, c)
	}
	return all
}

// testWithoutRedis has users come while Redis is away, and be refused. Tickets are good
// where they were given.
func (s *userSite) testWithoutRedis(t *testing.T, taken string) []*goClient {
	t.Helper()
	for _, n := range []*node{s.a, s.b} {
		n.waitFor("/readyz", http.StatusServiceUnavailable)
		s.refuses(t, n, taken)
	}
	s.askAll(t, s.b)
	s.redeems(t, s.b, s.give(t, s.b, s.token("ada", nil)), http.StatusOK)
	s.redeems(t, s.b, s.give(t, s.a, s.token("ada", nil)), http.StatusServiceUnavailable)
	return s.clientsOf(t, "meanwhile")
}

// hearAgain wants clients that have stayed to hear what is published.
func (s *userSite) hearAgain(t *testing.T, clients []*goClient) {
	t.Helper()
	for _, c := range clients {
		c.until("news: subscribed")
	}
	s.b.publish(t, "news", 2)
	for _, c := range clients {
		c.until("news: 2")
		if c.has("disconnected") || c.has("connecting 1 ") || c.has("connecting 3") {
			t.Errorf("it did not stay connected: %q", c.told())
		}
	}
}

// refuses wants a node to refuse what was taken back, and what is forged.
func (s *userSite) refuses(t *testing.T, n *node, taken string) {
	t.Helper()
	s.takes(t, n, taken, "3500")
	s.takes(t, n, s.token("eve", nil), `"code":103`)
	s.takes(t, n, s.secrets.add("a forged token", taken[:len(taken)-5]+"AAAAA"), "3500")
}

// testCommands has commands say what they say with secrets around: none shows any but
// the one that it is there to show.
func (s *userSite) testCommands(t *testing.T) {
	good, expired := s.token("ada", nil), s.token("ada", map[string]any{"exp": 1})
	made := belfry(t, "", "token", "--config", s.file, "--user", "ada", "--subscribe", "news")
	if made.code != 0 {
		t.Fatalf("token: %+v", made)
	}
	s.secrets.add("a token of belfry token", strings.TrimSpace(made.out))
	s.secrets.show("belfry token", made.err)
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
	}{
		{"", []string{"config", "--config", s.file}, 0},
		{"", []string{"config", "explain", "of:ada", "--user", "ada", "--config", s.file}, 0},
		{made.out, []string{"token", "check", "-", "--config", s.file}, 0},
		{good, []string{"token", "check", "-", "--config", s.file, "--channel", "of:ada"}, 0},
		{"", []string{"token", "check", good, "--config", s.file, "--json"}, 0},
		{"", []string{"token", "check", expired, "--config", s.file}, 1},
		{"", []string{"token", "check", expired, "--config", s.file, "--json"}, 1},
		{"", []string{"token", "check", foreignToken, "--config", s.file}, 1},
		{"", []string{"token", "--key", "site", "--user", "ada", "--config", s.file}, 1},
		{"", []string{"publish", "--server", s.a.URL, "--key", billingKey, "news", "hi"}, 0},
		{"", []string{"publish", "--server", s.a.URL, "--key", billingKey, "chat", "hi"}, 1},
		{"", []string{"publish", "--server", s.a.URL, "--key", wrongKey, "news", "hi"}, 1},
		{"", []string{"subscribe", "--server", s.a.URL, "--token", expired, "of:ada"}, 1},
		{"", []string{"subscribe", "--server", s.a.URL, "--token", foreignToken, "of:ada"}, 1},
		{"", []string{"subscribe", "--server", s.a.URL, "--token", good, "of:ben"}, 1},
	} {
		got := belfry(t, c.stdin, c.args...)
		if got.code != c.code {
			t.Errorf("%.60q: %+v", c.args, got)
		}
		s.secrets.show(fmt.Sprintf("belfry %.40q", c.args[:2]), got.out+got.err)
	}
}

// give gets a ticket of a node for a token.
func (s *userSite) give(t *testing.T, n *node, token string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/ticket", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ Ticket string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Ticket == "" {
		t.Fatalf("no ticket: %s, %v", response.Status, err)
	}
	_, secret, _ := strings.Cut(answer.Ticket, ".")
	s.secrets.add("a ticket", secret)
	return answer.Ticket
}

// redeems shows a ticket at a node, and wants it to be answered with a status.
func (s *userSite) redeems(t *testing.T, n *node, ticket string, want int) {
	t.Helper()
	response, err := http.Post(n.URL+"/echo?via=stream&ticket="+url.QueryEscape(ticket), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != want {
		t.Errorf("a ticket at %s: %s, want %d", n.URL, response.Status, want)
	}
}
