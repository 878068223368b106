package client

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// upstreamWait is how long the answer to one request may take.
	upstreamWait = 5 * time.Second
	// maxAnswer is the most bytes of an answer's body that are read.
	maxAnswer = 1 << 20
)

// upstream is a connection for short requests, one after another. It is opened
// when it is needed, and again when the server has closed it. Whoever has taken it
// out of the idle ones uses it alone.
type upstream struct {
	dialer *Dialer
	conn   net.Conn // nil: closed
	r      *bufio.Reader
}

// post sends lines of a session, and that it has got n. It tries twice: the server
// may close a connection that was quiet for long, and it takes nothing twice.
func (u *upstream) post(s *Session, n uint64, lines string) error {
	status, body, err := u.ask(s, n, lines)
	if err != nil {
		status, body, err = u.ask(s, n, lines)
	}
	// A session that has ended is counted where its last line is read.
	if err == nil && status != "200 OK" && status != "404 Not Found" {
		err = fmt.Errorf("%s %.300s", status, bytes.TrimSpace(body))
	}
	return err
}

// ask closes the connection after an error.
func (u *upstream) ask(s *Session, n uint64, lines string) (status string, body []byte, err error) {
	if err := u.open(); err != nil {
		return "", nil, err
	}
	b := appendTarget([]byte("POST "), s.url)
	b = fmt.Appendf(b, "via=send&session=%s&first=1&got=%d HTTP/1.1\r\nHost: %s\r\n", s.name, n, s.url.Host)
	b = fmt.Appendf(b, "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(lines), lines)
	if _, err = u.conn.Write(b); err == nil {
		status, body, err = ReadAnswer(u.r)
	}
	if err != nil {
		u.close()
	}
	return status, body, err
}

// open opens the connection if it is closed, and gives it time for one request.
func (u *upstream) open() error {
	if u.conn == nil {
		conn, err := u.dialer.Dial(context.Background(), 0, nil) // has a limit of its own
		if err != nil {
			return err
		}
		u.conn, u.r = conn, bufio.NewReader(conn)
	}
	return u.conn.SetDeadline(time.Now().Add(upstreamWait))
}

// close closes the connection, if it is open.
func (u *upstream) close() {
	if u.conn != nil {
		_ = u.conn.Close()
		u.conn = nil
	}
}

// ReadAnswer reads the answer to a request from a connection that may bring more
// of them. The body is cut off after 1 MiB. A deadline is the caller's affair.
func ReadAnswer(r *bufio.Reader) (status string, body []byte, err error) {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", nil, err
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.Status, body, err
}
