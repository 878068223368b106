package load

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"belfry/cmd/internal/client"
)

const (
	// maxUnanswered is how many publish calls one publisher has under way.
	maxUnanswered = 1024
	// answerWait is how long the answer to one of them may take.
	answerWait = 30 * time.Second
)

// httpPath calls an HTTP API over one connection, and sends the next calls
// without waiting for the answers: the server takes them in order (RFC 9112,
// section 9.3.2).
type httpPath struct {
	conn      net.Conn
	templates []template // by channel
	batch     []byte     // calls that are not sent yet

	calls    chan int               // the channels of calls that have no answer yet
	answered chan error             // one value, when all are answered
	refusals []uint32               // by channel; readAnswers has them until it has ended
	why      atomic.Pointer[string] // the first refusal
}

// newHTTPPath has a template for each channel. It closes the connection in the end.
func newHTTPPath(conn net.Conn, templates []template) *httpPath {
	return &httpPath{conn: conn, templates: templates, refusals: make([]uint32, len(templates))}
}

// httpCall is a whole request that publishes what is in its body.
func httpCall(u *url.URL, key string, body []byte) []byte {
	call := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		u.RequestURI(), u.Host, len(body))
	if key != "" {
		call = fmt.Appendf(call, "X-API-Key: %s\r\n", key)
	}
	return append(append(call, "\r\n"...), body...)
}

// start starts the goroutine that reads the answers.
func (p *httpPath) start() {
	p.calls, p.answered = make(chan int, maxUnanswered), make(chan error, 1)
	go func() { p.answered <- p.readAnswers() }() // finish waits
}

// finish waits for the answers.
func (p *httpPath) finish() error {
	close(p.calls)
	return <-p.answered
}

// add blocks when as many calls as there may be have no answer: a server that is
// behind makes the publisher wait, and the latency tells.
func (p *httpPath) add(channel int, s stamp) {
	p.batch = append(p.batch, p.templates[channel].put(s)...)
	p.calls <- channel // blocks only when maxUnanswered were sent already
}

func (p *httpPath) flush() error {
	_, err := p.conn.Write(p.batch)
	p.batch = p.batch[:0]
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

// readAnswers reads the answer to each call. After an error it closes the
// connection and lets nobody wait.
func (p *httpPath) readAnswers() error {
	r := bufio.NewReader(p.conn)
	for channel := range p.calls {
		_ = p.conn.SetReadDeadline(time.Now().Add(answerWait))
		status, body, err := client.ReadAnswer(r)
		if err != nil {
			_ = p.conn.Close()
			for range p.calls { // add must not block
			}
			return fmt.Errorf("publishing: the server does not answer a call: %w", err)
		}
		// Centrifugo says OK and puts the error in the body.
		if status != "200 OK" || bytes.Contains(body, []byte(`"error"`)) {
			p.refuse(channel, fmt.Sprintf("%s %.300s", status, bytes.TrimSpace(body)))
		}
	}
	return nil
}

// refuse counts a refusal, and keeps the first.
func (p *httpPath) refuse(channel int, why string) {
	p.refusals[channel]++
	p.why.CompareAndSwap(nil, &why)
}

func (p *httpPath) refused(channel int) uint32 { return p.refusals[channel] }

// reason is what the server said at the first refusal.
func (p *httpPath) reason() string {
	if why := p.why.Load(); why != nil {
		return *why
	}
	return ""
}

func (p *httpPath) close() { _ = p.conn.Close() }
