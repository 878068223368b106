package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"belfry/web/access"
)

// showing is a way to show a token with a request: by a query and a header. Without a
// function it is not shown with the request.
type showing struct {
	name string
	by   func(t *testing.T, s *testServer, token string) (url.Values, http.Header)
}

// showings are all there are.
func showings() []showing {
	return []showing{
		byHeader,
		{"by a ticket", func(t *testing.T, s *testServer, token string) (url.Values, http.Header) {
			_, answer := s.call(t, "/ticket", "", "Authorization", "Bearer "+token)
			return url.Values{"ticket": {fmt.Sprint(answer["ticket"])}}, nil
		}},
		{"by a cookie", func(_ *testing.T, _ *testServer, token string) (url.Values, http.Header) {
			return nil, http.Header{"Cookie": {"belfry=" + token}, "Origin": {"http://site.example"}}
		}},
		{"by a URL", func(_ *testing.T, _ *testServer, token string) (url.Values, http.Header) {
			return url.Values{"token": {token}}, nil
		}},
	}
}

var byHeader = showing{"by a header", func(_ *testing.T, _ *testServer, token string) (url.Values, http.Header) {
	return nil, http.Header{"Authorization": {"Bearer " + token}}
}}

// shown is a token that goes with requests, once it is there.
type shown struct {
	query  url.Values
	header http.Header
}

// show makes it; of no token there is none.
func (how showing) show(t *testing.T, s *testServer, token string) (with shown) {
	t.Helper()
	if token != "" && how.by != nil {
		with.query, with.header = how.by(t, s, token)
	}
	return with
}

// inCommand is the token of the connect command: nothing where it goes with the request.
func (how showing) inCommand(v visitor) string {
	if how.by == nil {
		return v.token
	}
	return ""
}

// target adds the query to that of a target.
func (with shown) target(target string) string {
	if len(with.query) == 0 {
		return target
	}
	sign := "?"
	if strings.Contains(target, "?") {
		sign = "&"
	}
	return target + sign + with.query.Encode()
}

// RoundTrip makes a request with it.
func (with shown) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	maps.Copy(r.Header, with.header)
	query := r.URL.Query()
	maps.Copy(query, with.query)
	r.URL.RawQuery = query.Encode()
	return http.DefaultTransport.RoundTrip(r)
}

// client makes requests with a token.
func (how showing) client(t *testing.T, s *testServer, token string) *http.Client {
	return &http.Client{Transport: how.show(t, s, token)}
}

// dialAs opens a WebSocket with a token in the handshake, if there is one.
func (s *testServer) dialAs(t *testing.T, how showing, path, token string) *client {
	t.Helper()
	conn, response, err := how.dial(t, s, path, token)
	if err != nil {
		t.Fatalf("dial %s: %v (%v)", path, err, response)
	}
	return &client{t, conn, path == "/connection/websocket"}
}

func (how showing) dial(t *testing.T, s *testServer, path, token string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	with := how.show(t, s, token)
	conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+with.target(path), with.header)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, response, err
}

func talkOver(c *client) talk {
	return talk{c.say, c.hear, func() string { code, reason := c.closed(); return fmt.Sprint(code, reason) }}
}

func (how showing) tryWebSocket(t *testing.T, s *testServer, v visitor) {
	tryTalk(t, v, how.inCommand(v), talkOver(s.dialAs(t, how, "/connection/websocket", v.token)))
}

func (how showing) tryLink(t *testing.T, s *testServer, v visitor, via string) {
	c := openLink(t, how.client(t, s, v.token), func() string { return s.URL }, via, "/connection/websocket")
	tryTalk(t, v, how.inCommand(v), talk{func(text string) { c.say(text) }, c.hear, func() string { return fmt.Sprint(c.end()) }})
}

func (how showing) tryHTTPStream(t *testing.T, s *testServer, v visitor) {
	how.tryEmulation(t, s, v, false)
}

func (how showing) trySSE(t *testing.T, s *testServer, v visitor) { how.tryEmulation(t, s, v, true) }

func (how showing) tryEmulation(t *testing.T, s *testServer, v visitor, sse bool) {
	here := *s
	here.client = how.client(t, s, v.token)
	e := here.emulate(t, sse, fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, how.inCommand(v)))
	line := e.hear()
	if v.forged {
		if !strings.Contains(line, "3500") {
			t.Errorf("it ends with %s", line)
		}
		return
	}
	var reply struct {
		Connect struct{ Session, Node string }
	}
	if json.Unmarshal([]byte(line), &reply) != nil || reply.Connect.Session == "" {
		t.Fatal(line)
	}
	e.session, e.node = reply.Connect.Session, reply.Connect.Node
	tryChannels(t, v, asker(talk{hear: e.hear, say: func(text string) {
		if status := e.say(s.URL, text); status != http.StatusNoContent {
			t.Fatalf("status %d", status)
		}
	}}))
}

func (how showing) tryEcho(t *testing.T, s *testServer, v visitor) {
	if v.forged {
		if _, response, _ := how.dial(t, s, "/echo", v.token); response == nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %v", response)
		}
		return
	}
	c := s.dialAs(t, how, "/echo", v.token)
	c.say("hello")
	c.hearUntil(func(text string) bool { return text == "hello" }, "echo")
}

func (how showing) tryRaw(t *testing.T, s *testServer, v visitor) {
	for _, channel := range userChannels {
		conn, response, err := how.dial(t, s, "/ws/"+channel, v.token)
		if response == nil || response.StatusCode != v.status(channel, http.StatusSwitchingProtocols) {
			t.Errorf("at %s: %v, %v", channel, response, err)
		}
		if err != nil {
			continue
		}
		c, text := &client{t: t, Conn: conn}, "by "+t.Name()
		if c.say(text); v.may(access.Publish, channel, true) {
			c.hearUntil(func(heard string) bool { return heard == text }, "message")
		} else if code, _ := c.closed(); code != 1008 {
			t.Errorf("it publishes to %s: closed with %d, want 1008", channel, code)
		}
		conn.Close()
	}
}

func (how showing) tryRawLink(t *testing.T, s *testServer, v visitor, via string) {
	method := map[bool]string{true: "GET", false: "POST"}[via == "events"]
	for _, channel := range userChannels {
		path := "/ws/" + channel
		if v.forged || !v.may(access.Subscribe, channel, false) {
			how.tryRequest(t, s, v, channel, method, path+"?via="+via, "*/*")
			continue
		}
		c := openLink(t, how.client(t, s, v.token), func() string { return s.URL }, via, path)
		text := "by " + t.Name()
		if c.say(text); v.may(access.Publish, channel, true) {
			c.hearUntil(func(heard string) bool { return heard == text })
		} else if end := c.end(); end.code != 1008 {
			t.Errorf("it publishes to %s: %+v, want 1008", channel, end)
		}
	}
}

func (how showing) tryEvents(t *testing.T, s *testServer, v visitor) {
	for _, channel := range userChannels {
		how.tryRequest(t, s, v, channel, "GET", "/events?channel="+channel, "text/event-stream")
	}
}

// tryPoll asks from where a poll is answered at once.
func (how showing) tryPoll(t *testing.T, s *testServer, v visitor) {
	for _, channel := range userChannels {
		how.tryRequest(t, s, v, channel, "GET", "/events?channel="+channel+"&cursor="+cursorOf(place{channel, "gone", 1}), "application/json")
	}
}

// tryRequest subscribes to a channel by a request.
func (how showing) tryRequest(t *testing.T, s *testServer, v visitor, channel, method, path, accept string) {
	t.Helper()
	with := how.show(t, s, v.token)
	header := []string{"Accept: " + accept}
	for name, values := range with.header {
		header = append(header, name+": "+values[0])
	}
	status, challenge := s.shows(t, method, with.target(path), header)
	want := v.status(channel, http.StatusOK)
	if status != want || strings.HasPrefix(challenge, "Bearer") != (want == http.StatusUnauthorized) {
		t.Errorf("at %s: %d with %q, want %d", path, status, challenge, want)
	}
}

// drafts are the handshakes from before RFC 6455, which prove nothing about who sends
// them.
var drafts = map[string][]string{
	"hixie-75": nil, "hixie-76": {goodKey1, goodKey2},
	"hybi-07": {goodKey, versionField("7")}, "hybi-10": {goodKey, versionField("8")},
}

// tryDraft shows tokens by a handshake of a draft: everybody is nobody. One of hixie-76
// is answered before it is refused, and has its last bytes only when it is not.
func (how showing) tryDraft(t *testing.T, s *testServer, v visitor, fields []string) {
	with, nobody := how.show(t, s, v.token), visitor{}
	for _, channel := range userChannels {
		all := append([]string{"Origin: http://x"}, fields...)
		for name, values := range with.header {
			all = append(all, name+": "+values[0])
		}
		conn, request, rest := s.dialTCP(t), handshake(with.target("/ws/"+channel), all...), 0
		if len(fields) > 0 && fields[0] == goodKey1 {
			request, rest = request+"^n:ds[4U", 16
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Discard(rest)
		letIn := response.StatusCode == http.StatusSwitchingProtocols && err == nil
		if letIn != nobody.may(access.Subscribe, channel, false) || rest == 0 && response.StatusCode != nobody.status(channel, http.StatusSwitchingProtocols) {
			t.Errorf("at %s: %s, let in: %t", channel, response.Status, letIn)
		}
		conn.Close()
	}
}
