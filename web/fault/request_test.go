package fault_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"belfry/web/fault"
)

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"good":          {`{"name":"a","n":1,"on":true,"list":["a"]}`, ""},
		"nothing":       {``, "body: a JSON object is expected, and there is nothing"},
		"no object":     {`[]`, "body: a JSON object is expected"},
		"half":          {`{"name":`, "body: a JSON object is expected: unexpected EOF"},
		"two":           {`{}{}`, "body: one JSON object is expected, and nothing behind it"},
		"unknown field": {`{"nmae":"a"}`, "nmae: is not a field of this call"},
		"no string":     {`{"name":1}`, "name: a string is expected"},
		"no number":     {`{"n":"1"}`, "n: a whole number is expected"},
		"no boolean":    {`{"on":1}`, "on: true or false is expected"},
		"no list":       {`{"list":{}}`, "list: an array is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			var into struct {
				Name string   `json:"name"`
				N    int      `json:"n"`
				On   bool     `json:"on"`
				List []string `json:"list"`
			}
			got := ""
			if err := fault.Decode([]byte(c.body), &into); err != nil {
				if got = err.Error(); fault.From(err).Kind != fault.BadRequest {
					t.Errorf("kind %d", fault.From(err).Kind)
				}
			}
			if got != c.want {
				t.Errorf("%s: got %q, want %q", c.body, got, c.want)
			}
		})
	}
}

func TestReadBody(t *testing.T) {
	for name, c := range map[string]struct{ body, key, want string }{
		"none":          {"", "limits.body", ""},
		"as many":       {"1234", "limits.body", ""},
		"one more":      {"12345", "limits.body", "body: at most 4 bytes are accepted (limits.body)"},
		"a fixed limit": {"12345", "", "body: at most 4 bytes are accepted here"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
			got, err := fault.ReadBody(httptest.NewRecorder(), r, 4, c.key)
			if c.want == "" {
				if err != nil || string(got) != c.body {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if err == nil || err.Error() != c.want || fault.From(err).Kind != fault.TooLarge {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestReadBodyThatBreaks(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", broken{})
	if _, err := fault.ReadBody(httptest.NewRecorder(), r, 4, ""); err == nil || fault.From(err).Kind != fault.BadRequest {
		t.Errorf("got %v, want that the body did not arrive", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }

// AppendJSON leaves the signs of HTML as they are.
func TestAppendJSON(t *testing.T) {
	if got := string(fault.AppendJSON([]byte("x"), map[string]int{"<a&b>": 1})); got != `x{"<a&b>":1}` {
		t.Errorf("got %s", got)
	}
	if got := string(fault.AppendString(nil, "a\"\n\xff")); got != `"a\"\n\ufffd"` {
		t.Errorf("got %s", got)
	}
}
