package access_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web/access"
	"belfry/web/fault"
	"belfry/web/token"
)

const secret = "a secret of thirty-two bytes, or so"

// signed is a token that is good for an hour unless its claims say something else.
func signed(t testing.TB, key string, claims jwt.MapClaims) string {
	t.Helper()
	if _, ok := claims["exp"]; !ok {
		claims["exp"] = time.Now().Add(time.Hour).Unix()
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// site is a guard with two keys, of which the second may grant team:* alone.
type site struct {
	*access.Tokens
	log *hubtest.Log
}

func newSite(t testing.TB, h *hub.Hub, change func(*access.Credentials)) site {
	t.Helper()
	v, err := token.New(token.Options{Keys: []token.Key{
		{Name: "main", Algorithm: "HS256", Secret: secret},
		{Name: "partner", Algorithm: "HS256", Secret: "partner" + secret, Channels: []string{"team:*"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	by := access.Credentials{Verifier: v}
	if change != nil {
		change(&by)
	}
	log := &hubtest.Log{}
	return site{access.NewTokens(access.Rules{For: h.Rule}, by, access.NewTickets(h), access.NewRevocations(h, 100, slog.New(slog.DiscardHandler)), slog.New(slog.NewTextHandler(log, nil))), log}
}

var siteRules = hub.Rules{
	{Match: "user:{user}", Subscribe: hub.WhoUser}, {Match: "named:*", Subscribe: hub.WhoToken, Publish: hub.WhoToken, ReadHistory: hub.WhoToken, ReadPresence: hub.WhoToken},
	{Match: "team:*", Subscribe: hub.WhoUser}, {Match: "open", Subscribe: hub.WhoAnyone}, {Match: "*", Subscribe: hub.WhoUser},
}

// TestWhatTokensGrant makes identities of claims, and asks what they may do.
func TestWhatTokensGrant(t *testing.T) {
	g := newSite(t, hub.New(hub.Options{Rules: siteRules}), nil)
	actions := map[string]access.Action{"subscribe": access.Subscribe, "publish": access.Publish, "history": access.ReadHistory, "presence": access.ReadPresence}
	for name, c := range map[string]struct {
		key    string
		claims jwt.MapClaims
		may    []string
		not    []string
	}{
		"a user": {secret, jwt.MapClaims{"sub": "ada"}, []string{"subscribe user:ada", "subscribe other", "subscribe open"}, []string{"subscribe user:bob", "subscribe named:a", "publish other", "subscribe $x"}},
		"nobody": {secret, jwt.MapClaims{}, []string{"subscribe open"}, []string{"subscribe other", "subscribe user:"}},
		"Belfry's claim": {secret, jwt.MapClaims{"sub": "ada", "belfry": map[string]any{"subscribe": []string{"named:7:*", "$x"}, "publish": []string{"named:7:a"}, "history": []string{"named:8"}, "presence": []string{"*"}}},
			[]string{"subscribe named:7:z", "publish named:7:a", "history named:8", "presence named:9", "subscribe $x"}, []string{"publish named:7:z", "subscribe named:8", "history named:7:a", "publish $x"}},
		"caps": {secret, jwt.MapClaims{"sub": "ada", "caps": []any{
			map[string]any{"channels": []string{"named:a", "named:*"}, "allow": []string{"sub", "new"}},
			map[string]any{"channels": []string{"named:w*"}, "match": "wildcard", "allow": []string{"pub", "prs"}},
			map[string]any{"channels": []string{`^named:r\d$`}, "match": "regex", "allow": []string{"hst"}}}},
			[]string{"subscribe named:a", "subscribe named:*", "publish named:wx", "presence named:w", "history named:r7"},
			[]string{"subscribe named:b", "publish named:a", "history named:w", "history named:r77", "history named:rx"}},
		"a key that may grant less": {"partner" + secret, jwt.MapClaims{"sub": "ada", "belfry": map[string]any{"subscribe": []string{"*"}}},
			[]string{"subscribe team:7", "subscribe open"}, []string{"subscribe user:ada", "subscribe other", "subscribe named:a", "subscribe $x"}},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := g.Connect(t.Context(), access.Hello{Token: signed(t, c.key, c.claims)})
			if err != nil {
				t.Fatal(err)
			}
			for want, all := range map[bool][]string{true: c.may, false: c.not} {
				for _, what := range all {
					verb, channel, _ := strings.Cut(what, " ")
					if _, err := g.Allow(t.Context(), access.Request{Who: who, Action: actions[verb], Channel: channel}); (err == nil) != want {
						t.Errorf("it may %s: %v, want %t", what, err, want)
					}
				}
			}
		})
	}
	if n := strings.Count(g.log.String(), "its key may not grant"); n != 1 {
		t.Errorf("the log tells %d times of what a key may not grant:\n%s", n, g.log)
	}
}

// TestWhoTokensAre has everything of an identity that a token can say.
func TestWhoTokensAre(t *testing.T) {
	g := newSite(t, hub.New(hub.Options{Rules: siteRules}), nil)
	end := time.Now().Add(time.Hour).Unix()
	for name, c := range map[string]struct {
		key    string
		claims jwt.MapClaims
		want   string
	}{
		"all":             {secret, jwt.MapClaims{"sub": "ada", "jti": "T", "iat": end, "exp": end, "info": map[string]int{"a": 1}}, fmt.Sprintf(`ada {"a":1} %d main T %d []`, end, end)},
		"info in base64":  {secret, jwt.MapClaims{"sub": "ada", "exp": end, "b64info": "eyAiYiI6IDIgfQ=="}, fmt.Sprintf(`ada {"b":2} %d main  -62135596800 []`, end)},
		"channels":        {secret, jwt.MapClaims{"exp": end, "channels": []string{"a", "b", "a"}}, fmt.Sprintf(`  %d main  -62135596800 [a=: b=:]`, end)},
		"subs in place":   {secret, jwt.MapClaims{"exp": end, "channels": []string{"a"}, "subs": map[string]any{"c": map[string]any{"info": 1, "b64data": "Mg=="}}}, fmt.Sprintf(`  %d main  -62135596800 [c=1:2]`, end)},
		"another end":     {secret, jwt.MapClaims{"exp": end, "expire_at": end + 9}, fmt.Sprintf(`  %d main  -62135596800 []`, end+9)},
		"without end":     {secret, jwt.MapClaims{"exp": end, "expire_at": 0}, `  -62135596800 main  -62135596800 []`},
		"less than asked": {"partner" + secret, jwt.MapClaims{"exp": end, "channels": []string{"a", "team:1"}}, fmt.Sprintf(`  %d partner  -62135596800 [team:1=:]`, end)},
	} {
		who, err := g.Connect(t.Context(), access.Hello{Token: signed(t, c.key, c.claims)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var joins []string
		for _, j := range who.Joins {
			joins = append(joins, fmt.Sprintf("%s=%s:%s", j.Channel, j.Info, j.Data))
		}
		if got := fmt.Sprint(who.User, " ", string(who.Info), " ", who.Until.Unix(), " ", who.Proof.Key, " ", who.Proof.ID, " ", who.Proof.Issued.Unix(), " ", joins); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// TestBadClaims refuses tokens that are signed as they should be, and say what makes no
// sense.
func TestBadClaims(t *testing.T) {
	g := newSite(t, hub.New(hub.Options{}), nil)
	for detail, claims := range map[string]jwt.MapClaims{
		"claim channel: it is a subscription token":  {"sub": "ada", "channel": "a"},
		"claim sub: has 256 bytes":                   {"sub": strings.Repeat("x", 256)},
		"claim sub: has 2 bytes":                     {"sub": "a\n"},
		"claim info: it has 1102 bytes":              {"info": strings.Repeat("x", 1100)},
		"claim info: its form in base64":             {"b64info": "!"},
		"claim info: one JSON value":                 {"b64info": "AA=="},
		`claim belfry: "subscrbe" is no action`:      {"belfry": map[string]any{"subscrbe": []string{"a"}}},
		`claim caps: match "glob" is not known`:      {"caps": []any{map[string]any{"channels": []string{"a"}, "match": "glob"}}},
		`claim caps: "(" is no regular expression`:   {"caps": []any{map[string]any{"channels": []string{"("}, "match": "regex"}}},
		"claim caps: a regular expression has 300 b": {"caps": []any{map[string]any{"channels": []string{strings.Repeat("a", 300)}, "match": "regex"}}},
		"claim subs.info: it has":                    {"subs": map[string]any{"a": map[string]any{"info": strings.Repeat("x", 1100)}}},
		"claim exp: it expired":                      {"exp": 1},
	} {
		who, err := g.Connect(t.Context(), access.Hello{Token: signed(t, secret, claims)})
		if err == nil || who != nil || !strings.Contains(err.Error(), detail) {
			t.Errorf("got %v, want %q", err, detail)
			continue
		}
		if public := fault.From(err); public.Message != "invalid token" && public.Message != "token expired" || public.Kind.Status() != 401 {
			t.Errorf("%s: the client hears %q with status %d", detail, public.Message, public.Kind.Status())
		}
	}
}

// TestSubscriptionTokens shows tokens for a channel.
func TestSubscriptionTokens(t *testing.T) {
	g := newSite(t, hub.New(hub.Options{Rules: siteRules}), nil)
	ada := &access.Identity{User: "ada"}
	for name, c := range map[string]struct {
		who    *access.Identity
		key    string
		claims jwt.MapClaims
		want   fault.Kind // allowed: it is good
	}{
		"good":                         {ada, secret, jwt.MapClaims{"sub": "ada", "channel": "named:a"}, allowed},
		"for this client":              {ada, secret, jwt.MapClaims{"sub": "ada", "channel": "named:a", "client": "C"}, allowed},
		"nobody's":                     {nil, secret, jwt.MapClaims{"channel": "named:a"}, allowed},
		"for another client":           {ada, secret, jwt.MapClaims{"sub": "ada", "channel": "named:a", "client": "D"}, fault.OthersToken},
		"for another channel":          {ada, secret, jwt.MapClaims{"sub": "ada", "channel": "named:b"}, fault.OthersToken},
		"of another user":              {ada, secret, jwt.MapClaims{"sub": "bob", "channel": "named:a"}, fault.OthersToken},
		"of a user, shown by nobody":   {nil, secret, jwt.MapClaims{"sub": "bob", "channel": "named:a"}, fault.OthersToken},
		"for connecting":               {ada, secret, jwt.MapClaims{"sub": "ada"}, fault.OthersToken},
		"expired":                      {ada, secret, jwt.MapClaims{"sub": "ada", "channel": "named:a", "exp": 1}, fault.ExpiredToken},
		"of another key":               {ada, "another" + secret, jwt.MapClaims{"sub": "ada", "channel": "named:a"}, fault.BadToken},
		"of a key that may grant less": {ada, "partner" + secret, jwt.MapClaims{"sub": "ada", "channel": "named:a"}, fault.Denied},
		"with bad info":                {ada, secret, jwt.MapClaims{"sub": "ada", "channel": "named:a", "b64info": "!"}, fault.BadToken},
	} {
		r := access.Request{Who: c.who, Action: access.Subscribe, Channel: "named:a", Token: signed(t, c.key, c.claims), Client: "C"}
		p, err := g.Allow(t.Context(), r)
		if c.want == allowed {
			if err != nil || p.Until.IsZero() || !p.Granted.Has(access.Subscribe) || p.Granted.Has(access.Publish) {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
		} else if err == nil || fault.From(err).Kind != c.want {
			t.Errorf("%s: %v, want kind %d", name, err, c.want)
		}
	}
	all := signed(t, secret, jwt.MapClaims{"sub": "ada", "channel": "$team", "info": 7, "allow": []string{"pub", "hst"}, "expire_at": 0})
	p, err := g.Allow(t.Context(), access.Request{Who: ada, Action: access.Subscribe, Channel: "$team", Token: all})
	if err != nil || string(p.Info) != "7" || !p.Until.IsZero() || p.Granted != access.ActionsOf(access.Subscribe, access.Publish, access.ReadHistory) {
		t.Errorf("a private channel: %+v, %v", p, err)
	}
	if _, err := g.Allow(t.Context(), access.Request{Action: access.Subscribe, Channel: "$team"}); fault.From(err).Kind != fault.NoToken {
		t.Errorf("a private channel without a token: %v", err)
	}
}

// TestShown takes the token from where a client shows it, and a cookie only of pages
// that were let in.
func TestShown(t *testing.T) {
	h := hub.New(hub.Options{})
	g := newSite(t, h, func(c *access.Credentials) { c.Cookie, c.Query = "belfry", true })
	plain := newSite(t, hub.New(hub.Options{}), nil)
	by := func(user string) string { return signed(t, secret, jwt.MapClaims{"sub": user}) }
	cookie := []string{"a=b; belfry=" + by("cookie")}
	for name, c := range map[string]struct {
		header http.Header
		query  string
		token  string
		want   string
	}{
		"nothing":                    {nil, "", "", ""},
		"the command first":          {http.Header{"Authorization": {"Bearer " + by("header")}}, "", by("command"), "command"},
		"a header":                   {http.Header{"Authorization": {"bearer  " + by("header")}, "Cookie": cookie, "Origin": {"http://a"}}, "token=" + by("query"), "", "header"},
		"another header":             {http.Header{"Authorization": {"Basic YTpi"}}, "", "", ""},
		"a cookie with an origin":    {http.Header{"Cookie": cookie, "Origin": {"http://a"}}, "token=" + by("query"), "", "cookie"},
		"a cookie of the same site":  {http.Header{"Cookie": cookie, "Sec-Fetch-Site": {"same-origin"}}, "", "", "cookie"},
		"a cookie of a link":         {http.Header{"Cookie": cookie, "Sec-Fetch-Site": {"none"}}, "", "", ""},
		"a cookie of another site":   {http.Header{"Cookie": cookie, "Sec-Fetch-Site": {"same-site"}}, "", "", ""},
		"a cookie without an origin": {http.Header{"Cookie": cookie}, "", "", ""},
		"another cookie":             {http.Header{"Cookie": {"belfry2=" + by("cookie")}, "Origin": {"http://a"}}, "", "", ""},
		"a query":                    {nil, "channel=a&token=" + by("query"), "", "query"},
	} {
		hello := access.Hello{Header: c.header, URL: &url.URL{RawQuery: c.query}, Token: c.token}
		who, err := g.Connect(t.Context(), hello)
		if user := userOf(who); err != nil || user != c.want {
			t.Errorf("%s: user %q, %v; want %q", name, user, err, c.want)
		}
		if c.want == "query" || c.want == "cookie" {
			if who, err := plain.Connect(t.Context(), hello); err != nil || who != nil {
				t.Errorf("%s, which is not accepted: %+v, %v", name, who, err)
			}
		}
		if who, err := g.Connect(t.Context(), access.Hello{Header: c.header, URL: hello.URL}.Stranger()); err != nil || who != nil {
			t.Errorf("%s, of a stranger: %+v, %v", name, who, err)
		}
	}
}

func userOf(who *access.Identity) string {
	if who == nil {
		return ""
	}
	return who.User
}

// ticketFor gets one, with the status of the answer.
func (s site) ticketFor(t testing.TB, header ...string) (ticket string, err error) {
	t.Helper()
	r, w := httptest.NewRequest(http.MethodPost, "/ticket?token=x&ticket=y", nil), httptest.NewRecorder()
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if err := s.ServeTicket(w, r); err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(w.Body.String(), `{"ticket":"`)
	ticket, ttl, _ := strings.Cut(rest, `"`)
	if ttl != `,"ttl":30}`+"\n" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %s, %v", w.Body, w.Header())
	}
	return ticket, nil
}

func showing(ticket string) access.Hello {
	return access.Hello{URL: &url.URL{RawQuery: "ticket=" + url.QueryEscape(ticket)}}
}

// TestTickets gives tickets for good tokens, each good once for 30 seconds.
func TestTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSite(t, hub.New(hub.Options{}), nil)
		bearer := "Bearer " + signed(t, secret, jwt.MapClaims{"sub": "ada"})
		for name, header := range map[string][]string{"nothing": {}, "a bad token": {"Authorization", "Bearer x"}, "an expired one": {"Authorization", "Bearer " + signed(t, secret, jwt.MapClaims{"exp": 1})}} {
			if ticket, err := g.ticketFor(t, header...); err == nil || fault.From(err).Kind.Status() != http.StatusUnauthorized {
				t.Errorf("for %s there is %q, %v", name, ticket, err)
			}
		}
		ticket, err := g.ticketFor(t, "Authorization", bearer)
		if err != nil {
			t.Fatal(err)
		}
		if who, err := g.Connect(t.Context(), showing(ticket)); err != nil || userOf(who) != "ada" {
			t.Errorf("the ticket: %+v, %v", who, err)
		}
		late, _ := g.ticketFor(t, "Authorization", bearer)
		time.Sleep(30 * time.Second)
		node, _, _ := strings.Cut(ticket, ".")
		for name, text := range map[string]string{"used": ticket, "too old": late, "made up": node + ".AAAA", "none": "x", "long": node + "." + strings.Repeat("x", 300), "of no node": "NODE.X", "empty": node + "."} {
			who, err := g.Connect(t.Context(), showing(text))
			if err == nil || who != nil || fault.From(err).Kind.Status() != http.StatusUnauthorized {
				t.Errorf("%s: %+v, %v", name, who, err)
			}
		}
	})
}

// TestManyTickets bounds what tickets have that nobody uses.
func TestManyTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSite(t, hub.New(hub.Options{}), nil)
		bearer := "Bearer " + signed(t, secret, jwt.MapClaims{"sub": "ada", "x": strings.Repeat("x", 10<<10)})
		n := 0
		var err error
		for ; err == nil && n < 10_000; n++ {
			_, err = g.ticketFor(t, "Authorization", bearer)
		}
		if n < 1000 || n > 1400 || fault.From(err).Kind != fault.TooMany {
			t.Errorf("after %d tickets of 13 KiB: %v", n, err)
		}
		time.Sleep(30 * time.Second)
		if _, err = g.ticketFor(t, "Authorization", bearer); err != nil {
			t.Errorf("when they are too old: %v", err)
		}
	})
}
