package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/web/fault"
)

// answer answers an error, and returns what a client gets and what is logged.
func answer(err error) (*httptest.ResponseRecorder, string) {
	var log strings.Builder
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/path", nil)
	fault.Answerer{Logger: slog.New(slog.NewTextHandler(&log, nil))}.Answer(w, r, err)
	return w, log.String()
}

// codeOf is the code in the body of an answer.
func codeOf(t *testing.T, w *httptest.ResponseRecorder) int {
	t.Helper()
	var body struct{ Error struct{ Code int } }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
	return body.Error.Code
}

// TestKinds wants a status and a code for every kind.
func TestKinds(t *testing.T) {
	for k := fault.Internal; k < fault.Application; k++ {
		w, _ := answer(fault.New(k, "the text"))
		if w.Code < 400 || w.Code > 599 || w.Code != k.Status() {
			t.Errorf("kind %d: status %d, Status is %d", k, w.Code, k.Status())
		}
		if code := codeOf(t, w); code < 100 || code > 199 {
			t.Errorf("kind %d: code %d", k, code)
		}
		if retry := w.Header().Get("Retry-After"); retry != "" && w.Code < 429 {
			t.Errorf("kind %d: status %d with Retry-After", k, w.Code)
		}
	}
}

func TestAnswer(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
		header string // one of the response, and its value
		logged string
	}{
		"one of ours": {fault.Field("data", "is missing"), 400, `{"error":{"code":107,"message":"data: is missing"}}`, "Retry-After: ", ""},
		"temporary": {fault.New(fault.NotServing, "down"), 503, `{"error":{"code":100,"message":"down","temporary":true}}`,
			"Retry-After: 1", ""},
		"detail is for the log": {fmt.Errorf("%w: %w", fault.New(fault.Foreign, "no"), broken), 403,
			`{"error":{"code":103,"message":"no"}}`, "Retry-After: ", "disk on fire"},
		"anything else": {broken, 500, `{"error":{"code":100,"message":"internal server error","temporary":true}}`,
			"Retry-After: ", "disk on fire"},
		"a header": {fault.New(fault.WrongMethod, "no").With("Allow", "GET"), 405, `{"error":{"code":104,"message":"no"}}`, "Allow: GET", ""},
		"of the site": {&fault.Error{Kind: fault.Application, Code: 1234, Message: "sold out", Temporary: true}, 400,
			`{"error":{"code":1234,"message":"sold out","temporary":true}}`, "Retry-After: ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, log := answer(c.err)
			if w.Code != c.status || w.Body.String() != c.body+"\n" {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, c.status, c.body)
			}
			if key, want, _ := strings.Cut(c.header, ": "); w.Header().Get(key) != want {
				t.Errorf("%s is %q, want %q", key, w.Header().Get(key), want)
			}
			if (log != "") != (c.logged != "") || !strings.Contains(log, c.logged) {
				t.Errorf("logged %q, want %q", log, c.logged)
			}
		})
	}
}

// A header belongs to the copy.
func TestWith(t *testing.T) {
	plain := fault.New(fault.WrongMethod, "no")
	if with := plain.With("Allow", "GET"); with == plain {
		t.Error("With changes the error itself")
	}
	if w, _ := answer(plain); w.Header().Get("Allow") != "" {
		t.Error("With changes the error that it copies")
	}
}

// travel brings an error to another node, as JSON.
func travel(t *testing.T, err error) error {
	t.Helper()
	text, marshalErr := json.Marshal(fault.Pack(err))
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	var p *fault.Packed
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p.Unpack()
}

// TestPack wants a client to hear the same, whichever node the error comes from.
func TestPack(t *testing.T) {
	all := []*fault.Error{{Kind: fault.Application, Code: 1234, Message: "sold out"}, {Kind: fault.Application, Code: 400, Message: "again", Temporary: true}}
	for k := fault.Internal; k < fault.Application; k++ {
		all = append(all, fault.Newf(k, "kind %d", k))
	}
	for _, e := range all {
		here, _ := answer(e)
		there, _ := answer(travel(t, e))
		if here.Code != there.Code || here.Body.String() != there.Body.String() {
			t.Errorf("%v: %d %s here, and %d %s of another node", e, here.Code, here.Body, there.Code, there.Body)
		}
	}
	if err := travel(t, nil); err != nil {
		t.Errorf("nothing becomes %v", err)
	}
	if err := travel(t, errors.New("disk on fire")); err.Error() != "internal server error" {
		t.Errorf("another node hears %q of what is for the log", err)
	}
}

// TestUnpackNonsense takes what no node of this version says. It is answered all
// the same.
func TestUnpackNonsense(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"status":0,"code":0}`, `{"status":99999,"code":-7,"message":"x"}`, `{"status":-1,"temporary":true}`,
		`{"status":200,"code":100}`, `{"status":503,"code":3000000000}`, `{"status":101,"code":100}`,
	} {
		var p fault.Packed
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		if w, _ := answer(p.Unpack()); w.Code < 400 || w.Code > 599 {
			t.Errorf("%s is answered with %d", text, w.Code)
		}
	}
}

// TestFrom wants the hub's errors in words for clients, wrapped or not.
func TestFrom(t *testing.T) {
	_, unknown := hub.New(hub.Options{Rules: hub.Rules{{Match: "a"}}}).Rule("b")
	own := fault.New(fault.Limit, "own")
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
		text string // a part of it
	}{
		"channel name":            {hub.CheckChannel(""), fault.BadRequest, "channel: it is empty"},
		"unknown channel":         {unknown, fault.UnknownChannel, "no rule of the configuration matches"},
		"no channel":              {hub.ErrUnknownChannel, fault.UnknownChannel, "unknown channel"},
		"broker away":             {hub.ErrUnavailable, fault.Unavailable, "nothing was done, try again"},
		"broker silent":           {fmt.Errorf("%w: %w", hub.ErrUnavailable, hub.ErrUnanswered), fault.Unavailable, "whether it was done is not known"},
		"broker refuses for good": {fmt.Errorf("%w: %w", hub.ErrUnavailable, &hub.RefusedError{Reason: "Redis wants a password", Lasts: true}), fault.Unusable, "Redis wants a password; nothing was done"},
		"broker refuses":          {fmt.Errorf("%w: %w", hub.ErrUnavailable, &hub.RefusedError{Reason: "Redis is full"}), fault.Unavailable, "Redis is full; nothing was done"},
		"one that is public":      {fmt.Errorf("read the rule: %w", own), fault.Limit, "own"},
		"anything else":           {errors.New("disk on fire"), fault.Internal, "internal server error"},
		"the end of a stream":     {io.ErrUnexpectedEOF, fault.Internal, "internal server error"},
	} {
		t.Run(name, func(t *testing.T) {
			got := fault.From(fmt.Errorf("publish: %w", c.err))
			if got.Kind != c.kind || !strings.Contains(got.Message, c.text) || strings.Contains(got.Message, "publish: ") {
				t.Errorf("kind %d, %q; want kind %d, %q", got.Kind, got.Message, c.kind, c.text)
			}
		})
	}
	if from := fault.From(fmt.Errorf("x: %w", own)); from != own {
		t.Error("an error that a room has declared is another one afterwards")
	}
}

// A node says why it is not ready, when it knows.
func TestNotReady(t *testing.T) {
	refused := fmt.Errorf("%w: %w", hub.ErrUnavailable, &hub.RefusedError{Reason: "Redis wants a password", Lasts: true})
	for want, err := range map[string]error{"not ready: Redis wants a password": refused, "not ready: the broker is away": hub.ErrUnavailable} {
		if got := fault.NotReady(err); got.Kind != fault.NotServing || got.Message != want {
			t.Errorf("%v: %+v, want %q", err, got, want)
		}
	}
}
