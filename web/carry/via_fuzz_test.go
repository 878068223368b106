package carry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"belfry/web/fault"
	"belfry/web/raw"
)

// FuzzVia asks for anything in the way of websocket.js, from a client that goes at
// once. It is answered, or refused for a reason, and a session that it names is the
// one that it gets.
func FuzzVia(f *testing.F) {
	for _, seed := range []string{
		"via=events", "via=stream&pad", "via=poll&protocol=a,b", "via=send&session=a.b", "via=poll&session=NODE.SECRET&got=0",
		"via=send&session=NODE.SECRET&first=1&got=18446744073709551615", "via=poll&session=NODE.SECRET&got=-1", "via=", "via=send&session=.",
		"via=send&session=NODE.&first=1", "via=stream&session=a.b.c&got=1", "via=events&session=" + strings.Repeat("a", 101),
	} {
		f.Add(seed, `"text"`)
		f.Add(seed, "[\"close\",1000,\"bye\"]\n[\"binary\"]\nnull\n\xff")
	}
	l, endpoint := newTestLinks(f), raw.Channel("news", nil)
	f.Fuzz(func(t *testing.T, asked, body string) {
		link, err := l.Open(httptest.NewRequest("POST", "/", nil), Opening{Dialect: lines{}, Speak: endpoint.Speak})
		if err != nil {
			t.Fatal(err)
		}
		defer link.vanish()
		query, err := url.ParseQuery(strings.NewReplacer("NODE", l.node, "SECRET", link.secret).Replace(asked))
		if err != nil {
			return
		}
		ctx, gone := context.WithCancel(t.Context())
		gone()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequestWithContext(ctx, method, "/", strings.NewReader(body))
			err := l.Serve(httptest.NewRecorder(), r, query, endpoint)
			if err != nil && fault.From(err).Kind == fault.Internal {
				t.Errorf("%s %q with %q: %v", method, asked, body, err)
			}
		}
	})
}

// FuzzSessionName takes any text for the name of a session. What it takes is put
// together again as it was, and stands in a URL as it is.
func FuzzSessionName(f *testing.F) {
	for _, seed := range []string{"", ".", "a.b", "a.b.c", "a.", ".b", "ä.b", "a b.c", strings.Repeat("a", MaxName-2) + ".b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		node, secret, err := splitName(name)
		if err == nil && (node+"."+secret != name || len(name) > MaxName || url.QueryEscape(name) != name) {
			t.Errorf("%q is %q and %q", name, node, secret)
		}
	})
}
