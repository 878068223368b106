package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// secrets are texts that nobody may see, and what was seen of a server. They are safe
// for several goroutines.
type secrets struct {
	mu      sync.Mutex // guards what follows
	hidden  map[string]string
	shown   []shown
	watched map[string]func() string
}

// shown is a text, and where it was seen.
type shown struct{ where, text string }

// add notes what a secret is, and returns it.
func (s *secrets) add(what, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hidden == nil {
		s.hidden, s.watched = make(map[string]string), make(map[string]func() string)
	}
	s.hidden[text] = what
	return text
}

// show notes what somebody has seen.
func (s *secrets) show(where, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, shown{where, text})
}

// watch has a text looked at in the end.
func (s *secrets) watch(where string, text func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched[where] = text
}

// check wants nothing of a secret in what was seen, however it may be written.
func (s *secrets) check(t *testing.T) {
	t.Helper()
	for where, text := range s.watched {
		s.show(where, text())
	}
	var hide []string
	for text := range s.hidden {
		for _, w := range written(text) {
			hide = append(hide, w, "HIDDEN")
		}
	}
	hider, seen := strings.NewReplacer(hide...), make(map[string]bool)
	for _, v := range s.shown {
		if seen[v.text] || hider.Replace(v.text) == v.text {
			seen[v.text] = true
			continue
		}
		for text, what := range s.hidden {
			if i := slices.IndexFunc(written(text), func(w string) bool { return strings.Contains(v.text, w) }); i >= 0 {
				t.Errorf("%s shows %s:\n%.3000s", v.where, what, around(v.text, written(text)[i]))
			}
		}
	}
	t.Logf("%d secrets, %d texts", len(s.hidden), len(seen))
}

// written is how a secret may stand somewhere: as it is, as in a URL, in base64, in
// hexadecimal, or its end alone.
func written(text string) []string {
	all := []string{text, url.QueryEscape(text), url.PathEscape(text), base64Of(text), hex.EncodeToString([]byte(text))}
	if len(text) > 40 {
		all = append(all, text[len(text)-20:])
	}
	return all
}

// around is the lines in which something stands.
func around(text, part string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func sumOf(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// testRequests puts every secret in every place of a request where it belongs, and
// where people have put one by mistake. What is answered is noted, and the server says in
// its log what it has to say.
func (s *userSite) testRequests(t *testing.T) {
	token := s.token("kim", nil)
	s.names = []string{s.session(t, s.b, token), s.link(t, s.b, token)}
	ticket := s.give(t, s.a, token)
	for _, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		s.redeems(t, s.b, ticket, want)
	}
	s.askAll(t, s.b)
	for _, want := range []string{`msg="a token is refused"`, "the signature is none of the keys'", "claim exp: it expired", "level=DEBUG msg=published key=hashed",
		`msg="page refused"`, `msg="nothing at this path"`} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log does not have %s", want)
		}
	}
}

// askAll asks one node.
func (s *userSite) askAll(t *testing.T, n *node) {
	good := s.token("kim", nil)
	texts := []string{
		good, s.token("kim", map[string]any{"exp": 1}), s.secrets.add("a forged token", good[:len(good)-5]+"AAAAA"), foreignToken,
		testKey, billingKey, wrongKey, mainSecret, s.give(t, n, good),
	}
	for _, text := range append(texts, s.names...) {
		for _, r := range requestsWith(text) {
			s.ask(t, n, r)
		}
	}
	s.ask(t, n, request{"POST", "/api/publish", `{"channel":"news","data":1}`, []string{"X-API-Key: " + hashedKey}})
}

// request is one, with a body and fields of the header.
type request struct {
	method, target, body string
	header               []string
}

// requestsWith are those with a secret somewhere. Nothing of it may be in an answer, and
// none waits for messages.
func requestsWith(text string) (all []request) {
	escaped := url.QueryEscape(text)
	add := func(method, target, body string, header ...string) {
		all = append(all, request{method, target, body, header})
	}
	bearer, cookie := "Authorization: Bearer "+text, "Cookie: belfry="+text
	for _, target := range []string{
		"/events?channel=of:ada", "/events?x", "/events/?x", "/ws/of:ada?via=events", "/ws/of:ada?via=pigeon", "/ws/of:ada?x", "/connection/sse?x",
		"/connection/websocket?via=events", "/nowhere?x", "/socketexample?x", "/api/publish?x",
	} {
		for _, word := range []string{"token", "ticket", "session", "api_key"} {
			add("GET", target+"&"+word+"="+escaped, "")
		}
		add("GET", target+"&token="+escaped+"%zz", "")
		add("GET", target+"&token="+escaped+";x", "")
		add("GET", target, "", bearer)
		add("GET", target, "", cookie, "Origin: http://site.example")
		add("GET", target, "", cookie, "Origin: http://evil.example")
		add("POST", target+"&token="+escaped, "{}", "X-API-Key: "+text)
	}
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, version := range []string{"13", "8", "14"} {
		add("GET", "/ws/of:ada?token="+escaped, "", append(upgrade, "Sec-WebSocket-Version: "+version, "Sec-WebSocket-Protocol: "+base64.RawURLEncoding.EncodeToString([]byte(text)))...)
		add("GET", "/ws/of:ada?ticket="+escaped, "", append(upgrade, "Sec-WebSocket-Version: "+version, bearer, "Origin: http://evil.example")...)
	}
	return append(all, bodiesWith(text)...)
}

// bodiesWith are those with a secret in a body, or beside one.
func bodiesWith(text string) (all []request) {
	add := func(method, target, body string, header ...string) {
		all = append(all, request{method, target, body, header})
	}
	connect := fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, text)
	add("GET", "/connection/sse?cf_connect="+url.QueryEscape(connect), "")
	add("GET", "/connection/sse?cf_connect="+url.QueryEscape(connect+connect), "")
	add("POST", "/connection/http_stream", connect)
	add("POST", "/connection/http_stream", connect[:len(connect)-1])
	add("POST", "/emulation", fmt.Sprintf(`{"session":%q,"node":%q,"data":"{}"}`, text, text))
	add("POST", "/emulation", fmt.Sprintf(`{"session":%q,"data":%s}`, text, connect))
	add("POST", "/ws/of:ada?via=send", "\"hi\"\n", "Belfry-Session: first=1&session="+url.QueryEscape(text))
	add("POST", "/ws/of:ada?via=poll", "", "Belfry-Session: got=x&session="+url.QueryEscape(text))
	add("POST", "/ws/of:ada?via=stream", "", "Authorization: Bearer "+text)
	for _, call := range []string{"publish", "history", "disconnect", "refresh", "revoke_token", "block_user", "dance"} {
		body := fmt.Sprintf(`{"channel":"of:ada","data":1,"token":%q,"session":%q}`, text, text)
		add("POST", "/api/"+call, body, "X-API-Key: "+text)
		add("POST", "/api/"+call, body, "Authorization: Bearer "+text)
		add("POST", "/api/"+call, body, "Authorization: apikey "+text)
		add("POST", "/api/"+call, body[:len(body)-1], "X-API-Key: "+testKey)
	}
	add("POST", "/api/disconnect", fmt.Sprintf(`{"session":%q,"disconnect":{"code":1}}`, text), "X-API-Key: "+testKey)
	return all
}

// ask makes a request, and notes the head of the answer and its body, unless it is
// without end.
func (s *userSite) ask(t *testing.T, n *node, q request) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, n.URL+q.target, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range q.header {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %.100s: %v", q.method, q.target, err)
	}
	defer response.Body.Close()
	var head strings.Builder
	_ = response.Header.Write(&head)
	seen := response.Status + "\n" + head.String()
	if response.StatusCode >= 400 || strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Errorf("%s %.100s: %v", q.method, q.target, err)
		}
		seen += string(body)
	}
	s.secrets.show(fmt.Sprintf("the answer to %s %.30s", q.method, q.target), seen)
}

// session opens a stream of the Centrifuge protocol, which lasts as long as the test,
// and returns the secret by which it is named.
func (s *userSite) session(t *testing.T, n *node, token string) string {
	t.Helper()
	response, err := http.Post(n.URL+"/connection/http_stream", "application/json", strings.NewReader(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	text := make([]byte, 4096)
	size, err := response.Body.Read(text)
	_, rest, ok := strings.Cut(string(text[:size]), `"session":"`)
	secret, _, _ := strings.Cut(rest, `"`)
	if !ok || secret == "" {
		t.Fatalf("%s: %q, %v", response.Status, text[:size], err)
	}
	return s.secrets.add("a session", secret)
}

// link opens a session over HTTP, which lasts as long as the test, and returns its name.
func (s *userSite) link(t *testing.T, n *node, token string) string {
	t.Helper()
	response, err := http.Post(n.URL+"/ws/of:kim?via=stream&token="+url.QueryEscape(token), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	text := make([]byte, 4096)
	size, err := response.Body.Read(text)
	var line []any
	if json.Unmarshal(text[:size], &line) != nil || len(line) < 2 {
		t.Fatalf("%s: %q, %v", response.Status, text[:size], err)
	}
	name := fmt.Sprint(line[1])
	_, secret, _ := strings.Cut(name, ".")
	s.secrets.add("the name of a session", secret)
	return name
}
