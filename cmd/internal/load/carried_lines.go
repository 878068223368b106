package load

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// maxHead is the longest head of a response in bytes.
const maxHead = 4096

// scan reads the piece that b begins with: the head of a response or a line of
// its body. Like scanFrame it returns how many bytes it takes, or needs at least.
func (c *carried) scan(b []byte) (f frame, size int, err error) {
	if !c.inBody {
		return c.scanHead(b)
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if len(b) > maxFrame {
			return frame{}, 0, errFrameSize
		}
		return frame{}, 2*len(b) + 1, nil
	}
	if f, err = c.take(b[:end]); err != nil {
		return frame{}, 0, err
	}
	return f, end + 1, c.took(end + 1)
}

// took counts what was taken of a body, which has an end in a long-poll.
func (c *carried) took(size int) error {
	c.owe(size)
	if c.run.Transport != Poll {
		return nil
	}
	c.left -= size
	if c.left < 0 {
		return errors.New("an answer to a long-poll does not end with a line")
	}
	c.answered = c.left == 0
	c.inBody = !c.answered
	return nil
}

var (
	headEnd    = []byte("\r\n\r\n")
	goodStatus = []byte("HTTP/1.1 200 OK\r\n")
	lengthName = []byte("\r\nContent-Length: ")
)

func (c *carried) scanHead(b []byte) (f frame, size int, err error) {
	end := bytes.Index(b, headEnd)
	switch {
	case end < 0 && len(b) >= maxHead:
		return frame{}, 0, fmt.Errorf("the head of the server's answer has more than %d bytes", maxHead)
	case end < 0:
		return frame{}, len(b) + 1, nil
	}
	head := b[:end+len(headEnd)]
	if !bytes.HasPrefix(head, goodStatus) {
		return frame{}, 0, c.refusal(head)
	}
	if c.left, err = bodyLength(head); err != nil {
		return frame{}, 0, err
	}
	if (c.left > 0) != (c.run.Transport == Poll) {
		return frame{}, 0, fmt.Errorf("the server's answer to via=%s has not the length that Belfry gives it: is a proxy between?", c.run.Transport)
	}
	c.inBody = true
	return frame{opcode: opNothing}, len(head), nil
}

// bodyLength is the length that a head gives, or 0 when the body ends with the
// connection. Other ways are not understood: Belfry itself has none.
func bodyLength(head []byte) (int, error) {
	if bytes.Contains(head, []byte("\r\nTransfer-Encoding: ")) {
		return 0, errors.New("the answer comes in chunks, which are not understood: is a proxy between?")
	}
	_, rest, ok := bytes.Cut(head, lengthName)
	if !ok {
		return 0, nil
	}
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	n, err := strconv.Atoi(string(digits))
	if err != nil || n <= 0 || n > maxFrame {
		return 0, fmt.Errorf("the answer's length is %.20q; want 1 to %d", digits, maxFrame)
	}
	return n, nil
}

func (c *carried) refusal(head []byte) error {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return fmt.Errorf("the server does not speak HTTP: %w", err)
	}
	return fmt.Errorf("the server answers %s to via=%s at %s", response.Status, c.run.Transport, c.url.Path)
}

var (
	eventField  = []byte("data: ")
	messageLine = []byte(`["m",`)
	pingLine    = []byte(`["ping"]`)
	padLine     = []byte(`["pad",`)
)

// take reads a line. A message stays as it is: its marker needs no quoting.
func (c *carried) take(line []byte) (frame, error) {
	if c.run.Transport == Events {
		if len(line) == 0 || line[0] == ':' {
			return frame{opcode: opNothing}, nil
		}
		line = bytes.TrimPrefix(line, eventField)
	}
	switch {
	case bytes.HasPrefix(line, messageLine):
		c.got.Add(1)
		return frame{opText, true, line}, nil
	case bytes.Equal(line, pingLine), bytes.HasPrefix(line, padLine):
		return frame{opcode: opNothing}, nil
	}
	return c.takeRare(line)
}

// takeRare reads a line that comes once in a session: the first or the last one.
func (c *carried) takeRare(line []byte) (frame, error) {
	var parts []json.RawMessage
	var kind, name string
	if json.Unmarshal(line, &parts) == nil && len(parts) == 3 {
		_ = json.Unmarshal(parts[0], &kind) // no kind is not one of these
	}
	var code uint16
	switch {
	case kind == "open" && json.Unmarshal(parts[1], &name) == nil && name != "":
		c.session = url.QueryEscape(name)
		return frame{opcode: opNothing}, nil
	case kind == "close" && json.Unmarshal(parts[1], &code) == nil:
		c.got.Add(1)
		return frame{opClose, true, binary.BigEndian.AppendUint16(nil, code)}, nil
	}
	return frame{}, fmt.Errorf("%.60q is no line that is understood: is this a Belfry?", line)
}
