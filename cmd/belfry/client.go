package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"belfry/cmd/internal/centrifuge"
	"belfry/configs"
)

const (
	// maxFrame is the most bytes of a frame that a client reads: a message of
	// the largest size that a server can be configured to accept, and what is
	// said around it.
	maxFrame = maxData + 64<<10
	// pingGrace is how much later than expected a ping may come, on a network or a
	// server that is slow for a moment.
	pingGrace = 10 * time.Second
)

// Errors about the other end. A slow server is worth another attempt, and one that
// speaks something else is not.
var (
	errNoAnswer  = fmt.Errorf("the server does not answer within %v", answerWait)
	errNotSpoken = finalError{errors.New("the server does not speak the Centrifuge protocol in JSON")}
)

// client is one connection to a server in the Centrifuge protocol over
// WebSocket. One goroutine may use it, but for close.
type client struct {
	conn   *websocket.Conn
	lastID uint32        // of the last command
	quiet  time.Duration // the server is gone after so long without a word; 0: never
	pong   bool          // the server wants answers to its pings
	spoken bool          // it has answered to connect, and so speaks the protocol
	// skipped is told of what cannot be read after that.
	skipped func(error)
}

// dial connects to a server as the user of a token, or as nobody. The context bounds
// only this. The function is told of what cannot be read of what the server says later,
// and skipped. Errors are an
// [unreachableError], an [answerError], or of the connection.
func dial(ctx context.Context, server serverURL, token configs.Secret, skipped func(error)) (*client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerWait, errNoAnswer)
	defer cancel()
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment}
	conn, response, err := dialer.DialContext(ctx, server.webSocket("/connection/websocket"), nil)
	if response != nil && errors.Is(err, websocket.ErrBadHandshake) {
		body := make([]byte, 1024) // what gorilla keeps of it
		n, _ := response.Body.Read(body)
		return nil, newAnswerError(server, response.StatusCode, body[:n])
	}
	if err != nil {
		return nil, reachError(server, err)
	}
	conn.SetReadLimit(maxFrame)
	c := &client{conn: conn, skipped: skipped}
	stop := context.AfterFunc(ctx, c.close)
	defer stop()
	if err := c.connect(token); err != nil {
		c.close()
		return nil, cmp.Or(context.Cause(ctx), err)
	}
	return c, nil
}

// connect says the first command and waits for its answer, which tells how the
// server pings.
func (c *client) connect(token configs.Secret) error {
	id, err := c.say(centrifuge.Command{Connect: &centrifuge.ConnectRequest{Token: token.Reveal(), Name: "belfry", Version: version()}})
	for err == nil {
		var replies []centrifuge.Reply
		replies, err = c.hear(answerWait)
		for _, r := range replies {
			switch {
			case r.ID != id:
			case r.Error != nil:
				return connectError(r.Error)
			case r.Connect != nil:
				c.pong, c.spoken = r.Connect.Pong, true
				if r.Connect.Ping > 0 {
					c.quiet = time.Duration(r.Connect.Ping)*time.Second + pingGrace
				}
				return nil
			}
		}
	}
	return err
}

// connectError is final, unless the server says that it may pass.
func connectError(e *centrifuge.Error) error {
	err := fmt.Errorf("the server refuses the connection: %s", printable(e.Message))
	if e.Code == centrifuge.CodeExpired {
		return finalError{fmt.Errorf("%w; give another with BELFRY_TOKEN or --token", err)}
	}
	if e.Temporary {
		return err
	}
	return finalError{err}
}

// subscribe asks for a channel and returns the ID that the answer will have.
func (c *client) subscribe(channel string) (id uint32, err error) {
	return c.say(centrifuge.Command{Subscribe: &centrifuge.SubscribeRequest{Channel: channel}})
}

// say sends a command under the next ID, which it returns.
func (c *client) say(cmd centrifuge.Command) (id uint32, err error) {
	c.lastID++
	cmd.ID = c.lastID
	return cmd.ID, c.write(centrifuge.Frame(cmd))
}

// write writes one frame, for which the server has answerWait. After an error the
// connection is of no more use.
func (c *client) write(text []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(answerWait)); err != nil {
		return err
	}
	return c.conn.WriteMessage(websocket.TextMessage, text)
}

// hear returns the replies of the next frame, after at most the given time; 0
// waits as long as the server pings. It answers pings, so that there may be no
// reply in a frame.
func (c *client) hear(wait time.Duration) ([]centrifuge.Reply, error) {
	if wait == 0 {
		wait = c.quiet
	}
	var deadline time.Time
	if wait > 0 {
		deadline = time.Now().Add(wait)
	}
	if err := c.conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	_, text, err := c.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	return c.replies(text)
}

// replies parses a frame: JSON objects, one on a line. What cannot be read of a server
// that speaks the protocol is skipped: it may be one message, and the next can be read.
// With an error it returns the replies before the bad line.
func (c *client) replies(text []byte) (replies []centrifuge.Reply, err error) {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case string(line) == centrifuge.Ping:
			err = c.answerPing()
		default:
			var r centrifuge.Reply
			switch failed := json.Unmarshal(line, &r); {
			case failed == nil:
				replies = append(replies, r)
			case c.spoken:
				c.skipped(failed)
			default:
				return replies, errNotSpoken
			}
		}
		if err != nil {
			return replies, err
		}
	}
	return replies, nil
}

// answerPing answers a ping, if the server wants answers.
func (c *client) answerPing() error {
	if !c.pong {
		return nil
	}
	return c.write([]byte(centrifuge.Ping))
}

// close says goodbye and closes the connection. It may be called from any
// goroutine and more than once; hear then returns an error.
func (c *client) close() {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	// Nothing is lost when this does not arrive.
	_ = c.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
	_ = c.conn.Close()
}
