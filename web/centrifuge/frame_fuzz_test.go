package centrifuge_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"belfry/web/fault"
	"belfry/web/session"
)

// FuzzFrame has a client say anything before and after it is connected. It is sent
// away, or each line that it hears is JSON, and it never hears more than its
// allowance.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		connect, connect + "\n" + connect, "{}", "", "\n\n", "[1]", `{"id":1}`, `{"id":4294967296,"ping":{}}`, `{"id":2,"send":{}}`,
		`{"id":2,"subscribe":{"channel":"chat","recover":true,"epoch":"x","offset":18446744073709551615,"flag":2}}`,
		`{"id":2,"subscribe":{"channel":"chat","data":[1],"join_leave":true}}` + "\n" + `{"id":3,"publish":{"channel":"chat","data":{}}}`,
		`{"id":2,"history":{"channel":"chat","limit":-1,"since":{"offset":1,"epoch":""},"reverse":true}}`,
		`{"id":2,"presence":{"channel":"chat"}}{"id":3}`, `{"id":2,"rpc":{"method":"x","data":1}}`, `{"id":2,"publish":{"channel":"chat","data":"\ud800"}}`,
		`{"id":2,"refresh":{}}`, `{"id":2,"unsubscribe":{"channel":"\u0000"}}`, `{"id":2,"connect":{"subs":{"date":{"recover":true}}}}`,
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	n := newNode(f, "date")
	f.Fuzz(func(t *testing.T, said string, connected bool) {
		d := &deaf{}
		first := ""
		if connected {
			first = connect
		}
		s := n.open(t, d, first)
		s.Receive(session.Text, []byte(said))
		if d.Waiting() > buffer {
			t.Errorf("%d bytes wait for the client", d.Waiting())
		}
		for line := range strings.Lines(d.read()) {
			if line != "\n" && (!json.Valid([]byte(line)) || !utf8.ValidString(line)) {
				t.Errorf("it heard %q", line)
			}
		}
	})
}

// FuzzEmulation posts anything to /emulation. It is taken, or refused for a reason.
func FuzzEmulation(f *testing.F) {
	n := newNode(f)
	for _, seed := range []string{
		"", "{", "null", "[]", `{"session":"a","node":"NODE","data":"{}"}`, `{"session":"a","node":"b","data":"{}"}`, `{"session":1}`,
		`{"session":"a","node":"NODE","data":1}`, `{"session":"` + strings.Repeat("x", 200) + `","node":"NODE"}`, `{"session":"a","node":"NODE"}x`,
	} {
		f.Add(strings.ReplaceAll(seed, "NODE", n.hub.Node()))
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		err := n.server.Emulation(w, httptest.NewRequest(http.MethodPost, "/emulation", strings.NewReader(body)))
		switch {
		case err == nil && w.Code != http.StatusNoContent:
			t.Errorf("%q: status %d", body, w.Code)
		case err != nil && fault.From(err).Kind == fault.Internal:
			t.Errorf("%q: %v", body, err)
		}
	})
}
