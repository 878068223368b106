package carry

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"belfry/web/fault"
	"belfry/web/session"
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
	// maxSendBody is the largest body of lines in bytes.
	maxSendBody = 1 << 20
	// sendWait is how long lines of one request are taken. The client sends the
	// rest again.
	sendWait = 5 * time.Second
	// sendsAtOnce is how many requests of one session may bring lines at the same
	// time: one, what is repeated of it, and a line that closes.
	sendsAtOnce = 4
)

// upLine is a line of a client: a message, or what it closes with.
type upLine struct {
	kind session.Kind
	data []byte
	code int // of a close, which data is the reason of; 0: a message
}

var errUpLine = errors.New(`a JSON string, ["close",code,"reason"] or ["binary"] is expected`)

// parseUpLine reads a line of a client, without its end. One that is not UTF-8 is
// taken for a text message as it is, which the session refuses.
func parseUpLine(line []byte) (upLine, error) {
	switch {
	case len(line) == 0:
		return upLine{}, errUpLine
	case !utf8.Valid(line):
		return upLine{data: line}, nil
	case line[0] == '[':
		return parseUpArray(line)
	}
	var text *string
	if err := json.Unmarshal(line, &text); err != nil || text == nil {
		return upLine{}, errUpLine
	}
	return upLine{data: []byte(*text)}, nil
}

func parseUpArray(line []byte) (upLine, error) {
	var array []any
	if err := json.Unmarshal(line, &array); err != nil || len(array) == 0 {
		return upLine{}, errUpLine
	}
	switch {
	case array[0] == "binary" && len(array) == 1:
		return upLine{kind: session.Binary}, nil
	case array[0] == "close" && len(array) <= 3:
		return parseUpClose(array[1:])
	}
	return upLine{}, errUpLine
}

// maxReason is the longest reason of a close in bytes, as over WebSocket (RFC 6455,
// section 5.5).
const maxReason = 123

// parseUpClose reads the code of a close, and the reason.
func parseUpClose(args []any) (upLine, error) {
	code := float64(codeNone)
	ok := true
	if len(args) > 0 {
		code, ok = args[0].(float64)
	}
	reason := ""
	if len(args) > 1 && ok {
		reason, ok = args[1].(string)
	}
	if !ok || len(reason) > maxReason || code != float64(int(code)) || !mayClose(int(code)) {
		return upLine{}, errUpLine
	}
	return upLine{code: int(code), data: []byte(reason)}, nil
}

// Codes that a client closes with (RFC 6455, section 7.4.1).
const (
	codeNormal    = 1000
	codeGoingAway = 1001
	codeNone      = 1005 // it has given none
)

// mayClose reports whether a client may close with a code: those that a page can
// give, those that a browser gives, and those of libraries (RFC 6455, section 7.4).
func mayClose(code int) bool {
	switch code {
	case codeNormal, codeGoingAway, codeNone:
		return true
	}
	return code >= 3000 && code <= 4999
}

// send takes what a client says.
func (l *Links) send(w http.ResponseWriter, r *http.Request, query url.Values) error {
	node, secret, err := splitName(query.Get("session"))
	if err != nil {
		return err
	}
	sent := sending{Secret: secret}
	if sent.First, err = number(query, "first"); err != nil {
		return err
	}
	if sent.Got, err = number(query, "got"); err != nil {
		return err
	}
	if node != l.node {
		return l.sendToOther(w, r, node, sent)
	}
	link := l.Find(secret, UntilAcknowledged)
	if link == nil {
		return errNoSession
	}
	if sent.lines, err = fault.ReadBody(w, r, maxSendBody, ""); err != nil {
		link.refuse(err)
		return err
	}
	got, err := link.takeInTurn(sent)
	if err != nil {
		return err
	}
	answerSent(w, got)
	return nil
}

func answerSent(w http.ResponseWriter, got uint64) {
	w.Header().Set("Cache-Control", "no-store")
	fault.WriteJSON(w, http.StatusOK, struct {
		Got uint64 `json:"got"`
	}{got})
}

// sending is one request with lines.
type sending struct {
	Secret string `json:"secret"`
	First  uint64 `json:"first"` // number of the first line
	Got    uint64 `json:"got"`   // counted lines that the client has
	lines  []byte
}

// inTurn does what a request brings when those of requests before have been done.
// Too many requests do not wait for their turn.
func (l *Link) inTurn(atOnce int32, do func() error) error {
	defer l.sends.Add(-1)
	if l.sends.Add(1) > atOnce {
		return errTooManySends
	}
	l.up.Lock()
	defer l.up.Unlock()
	return do()
}

// Receive takes a message that arrives by a request of its own, of which there are
// at most sixteen at once. A session that has ended takes it, and does nothing
// with it.
func (l *Link) Receive(text []byte) error {
	return l.inTurn(4*sendsAtOnce, func() error {
		if l.isOpen() {
			l.session.Receive(session.Text, text)
		}
		return nil
	})
}

func (l *Link) takeInTurn(sent sending) (got uint64, err error) {
	err = l.inTurn(sendsAtOnce, func() (err error) {
		got, err = l.take(sent)
		return err
	})
	return got, err
}

// take takes lines in their order, each once, and returns the number of the last
// that was taken. It runs under the lock for what the client says.
func (l *Link) take(sent sending) (got uint64, err error) {
	if !l.acknowledge(sent.Got) {
		return 0, errGot
	}
	if len(sent.lines) == 0 || sent.First > l.taken+1 {
		return l.taken, nil
	}
	if sent.First == 0 {
		return 0, fault.Field("first", "the number of the first line is expected, from 1")
	}
	number := sent.First
	for end := time.Now().Add(sendWait); len(sent.lines) > 0 && time.Now().Before(end); number++ {
		var line []byte
		line, sent.lines, _ = bytes.Cut(sent.lines, []byte("\n"))
		if number <= l.taken {
			continue
		}
		parsed, err := parseUpLine(line)
		if err != nil {
			return l.taken, fault.Field("line "+strconv.FormatUint(number, 10), err.Error())
		}
		l.taken = number
		l.handle(parsed)
	}
	return l.taken, nil
}

// handle does what a line says. A session that is closing takes what comes, and
// does nothing with it.
func (l *Link) handle(line upLine) {
	switch {
	case !l.isOpen():
	case line.code != 0:
		// The code and the reason are the client's own, as over WebSocket.
		l.session.CloseWith(line.code, string(line.data), false)
	default:
		l.session.Receive(line.kind, line.data)
	}
}

// refuse ends a session whose client sends more than a message may have.
func (l *Link) refuse(err error) {
	if fault.From(err).Kind == fault.TooLarge {
		l.session.CloseWith(session.CodeTooBig, "", false)
	}
}
