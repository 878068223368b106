package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"belfry/web/fault"
)

var errTooManySends = fault.New(fault.TooMany, "too many requests of one session at once: send the next when the one before was answered")

// What a client over HTTP says arrives in POSTs of lines of JSON, numbered from 1
// in each session:
//
//	"text"                   a text message
//	["close",1000,"reason"]  the client closes; without a code as 1005
//	["binary"]               stands for a binary message
//
// The query says which number the first line has. What the server has had already
// is dropped, so that a request can be repeated, and nothing is taken beyond a
// gap. The answer says the number of the last line that was taken.

const (
	// maxSayBody is the largest body of lines in bytes.
	maxSayBody = 1 << 20
	// sayWait is how long lines of one request are taken. The client sends the
	// rest again.
	sayWait = 5 * time.Second
	// saysAtOnce is how many requests of one session may bring lines at the same
	// time: one, what is repeated of it, and a line that closes.
	saysAtOnce = 4
)

// upKind says what a line of a client is.
type upKind uint8

const (
	upText upKind = iota
	upClose
	upBinary
	upTooLong // a text message over limits.message
	upNotUTF8
)

// upLine is a line of a client.
type upLine struct {
	kind upKind
	text []byte // of a text message
	code int    // of a close
}

var errUpLine = errors.New(`a JSON string, ["close",code,"reason"] or ["binary"] is expected`)

// parseUpLine reads a line of a client, without its end. Texts have at most limit
// bytes.
func parseUpLine(line []byte, limit int64) (upLine, error) {
	switch {
	case len(line) == 0:
		return upLine{}, errUpLine
	case !utf8.Valid(line):
		return upLine{kind: upNotUTF8}, nil
	case line[0] == '[':
		return parseUpArray(line)
	}
	var text *string
	if err := json.Unmarshal(line, &text); err != nil || text == nil {
		return upLine{}, errUpLine
	}
	if int64(len(*text)) > limit {
		return upLine{kind: upTooLong}, nil
	}
	return upLine{kind: upText, text: []byte(*text)}, nil
}

func parseUpArray(line []byte) (upLine, error) {
	var array []any
	if err := json.Unmarshal(line, &array); err != nil || len(array) == 0 {
		return upLine{}, errUpLine
	}
	switch {
	case array[0] == "binary" && len(array) == 1:
		return upLine{kind: upBinary}, nil
	case array[0] == "close" && len(array) <= 3:
		return parseUpClose(array[1:])
	}
	return upLine{}, errUpLine
}

// parseUpClose reads the code of a close, and checks the reason, which says
// nothing to anybody.
func parseUpClose(args []any) (upLine, error) {
	code := float64(websocket.CloseNoStatusReceived)
	ok := true
	if len(args) > 0 {
		code, ok = args[0].(float64)
	}
	if len(args) > 1 && ok {
		_, ok = args[1].(string)
	}
	if !ok || code != float64(int(code)) || !mayClose(int(code)) {
		return upLine{}, errUpLine
	}
	return upLine{kind: upClose, code: int(code)}, nil
}

// mayClose reports whether a client may close with a code: those that a page can
// give, those that a browser gives, and those of libraries (RFC 6455, section 7.4).
func mayClose(code int) bool {
	switch code {
	case websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived:
		return true
	}
	return code >= 3000 && code <= 4999
}

// say takes what a client says.
func (s *Server) say(w http.ResponseWriter, r *http.Request, query url.Values) error {
	node, secret, err := splitSessionName(query.Get("session"))
	if err != nil {
		return err
	}
	said := saying{Secret: secret}
	if said.First, err = number(query, "first"); err != nil {
		return err
	}
	if said.Got, err = number(query, "got"); err != nil {
		return err
	}
	if node != s.carried.node {
		return s.sayToOther(w, r, node, said)
	}
	t := s.carried.find(secret)
	if t == nil || t.bound {
		return errNoSession
	}
	if said.lines, err = fault.ReadBody(w, r, maxSayBody, ""); err != nil {
		t.refuse(err)
		return err
	}
	got, err := t.takeInTurn(said)
	if err != nil {
		return err
	}
	answerSaid(w, got)
	return nil
}

func answerSaid(w http.ResponseWriter, got uint64) {
	w.Header().Set("Cache-Control", "no-store")
	fault.WriteJSON(w, http.StatusOK, struct {
		Got uint64 `json:"got"`
	}{got})
}

// saying is one request with lines.
type saying struct {
	Secret string `json:"secret"`
	First  uint64 `json:"first"` // number of the first line
	Got    uint64 `json:"got"`   // counted lines that the client has
	lines  []byte
}

// takeInTurn takes lines when those of requests before have been taken. Too many
// requests do not wait for their turn.
func (t *carried) takeInTurn(said saying) (got uint64, err error) {
	defer t.saying.Add(-1)
	if t.saying.Add(1) > saysAtOnce {
		return 0, errTooManySends
	}
	t.up.Lock()
	defer t.up.Unlock()
	return t.take(said)
}

// take takes lines in their order, each once, and returns the number of the last
// that was taken. It runs under the lock for what the client says.
func (t *carried) take(said saying) (got uint64, err error) {
	if !t.acknowledge(said.Got) {
		return 0, errGot
	}
	if len(said.lines) == 0 || said.First > t.taken+1 {
		return t.taken, nil
	}
	if said.First == 0 {
		return 0, fault.Field("first", "the number of the first line is expected, from 1")
	}
	number := said.First
	for end := time.Now().Add(sayWait); len(said.lines) > 0 && time.Now().Before(end); number++ {
		var line []byte
		line, said.lines, _ = bytes.Cut(said.lines, []byte("\n"))
		if number <= t.taken {
			continue
		}
		parsed, err := parseUpLine(line, t.session.server.limits.Message)
		if err != nil {
			return t.taken, fault.Field("line "+strconv.FormatUint(number, 10), err.Error())
		}
		t.taken = number
		t.handle(parsed)
	}
	return t.taken, nil
}

// handle does what a line says. A session that is closing takes what comes, and
// does nothing with it.
func (t *carried) handle(line upLine) {
	switch {
	case !t.isOpen():
	case line.kind == upText:
		t.session.protocol.message(line.text)
	case line.kind == upClose:
		t.closeWith(line.code)
	case line.kind == upBinary:
		t.session.close(closeNotText)
	case line.kind == upTooLong:
		t.closeWith(websocket.CloseMessageTooBig)
	case line.kind == upNotUTF8:
		t.session.close(closeInvalidUTF8)
	}
}

// closeWith ends the session with a code that is the transport's and not the
// protocol's, as over WebSocket: the client's own, or that of a message that is
// too long.
func (t *carried) closeWith(code int) {
	if t.session.beginClosing() {
		t.end(code, "", false)
	}
}

// refuse ends a session whose client sends more than a message may have.
func (t *carried) refuse(err error) {
	var public *fault.Error
	if errors.As(err, &public) && public.Kind == fault.TooLarge {
		t.closeWith(websocket.CloseMessageTooBig)
	}
}
