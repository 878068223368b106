package client

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

// scan reads the piece that b begins with: the head of a response or a line of
// its body. Like scanFrame it returns how many bytes it takes, or needs at least;
// what is no message comes back as a frame that means nothing.
func (s *Session) scan(b []byte) (f frame, size int, err error) {
	if !s.inBody {
		return s.scanHead(b)
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if len(b) > maxFrame {
			return frame{}, 0, errFrameSize
		}
		return frame{}, 2*len(b) + 1, nil
	}
	if f, err = s.take(b[:end]); err != nil {
		return frame{}, 0, err
	}
	return f, end + 1, s.took(end + 1)
}

// took counts what was taken of a body, which has an end in a long-poll.
func (s *Session) took(size int) error {
	s.owe(size)
	if s.transport != Poll {
		return nil
	}
	s.left -= size
	if s.left < 0 {
		return errors.New("an answer to a long-poll does not end with a line")
	}
	s.answered = s.left == 0
	s.inBody = !s.answered
	return nil
}

var (
	goodStatus = []byte("HTTP/1.1 200 OK\r\n")
	lengthName = []byte("\r\nContent-Length: ")
)

// scanHead takes the head of a response, which has to be one of Belfry's own: with
// a length when it is a long-poll, and without one when it does not end.
func (s *Session) scanHead(b []byte) (f frame, size int, err error) {
	end := bytes.Index(b, headEnd)
	switch {
	case end < 0 && len(b) >= maxHead:
		return frame{}, 0, fmt.Errorf("the head of the server's answer has more than %d bytes", maxHead)
	case end < 0:
		return frame{}, len(b) + 1, nil
	}
	head := b[:end+len(headEnd)]
	if !bytes.HasPrefix(head, goodStatus) {
		return frame{}, 0, s.refusal(head)
	}
	if s.left, err = bodyLength(head); err != nil {
		return frame{}, 0, err
	}
	if (s.left > 0) != (s.transport == Poll) {
		return frame{}, 0, fmt.Errorf("the server's answer to via=%s has not the length that Belfry gives it: is a proxy between?", s.transport)
	}
	s.inBody = true
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

// refusal is what the server has answered in place of 200.
func (s *Session) refusal(head []byte) error {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return fmt.Errorf("the server does not speak HTTP: %w", err)
	}
	return fmt.Errorf("the server answers %s to via=%s at %s", response.Status, s.transport, s.url.Path)
}

// Lines begin with these, or are these; an event of a stream has a line in a field
// of its own.
var (
	eventField  = []byte("data: ")
	messageLine = []byte(`["m",`)
	pingLine    = []byte(`["ping"]`)
	padLine     = []byte(`["pad",`)
)

// take reads a line. A message stays as it is, a string in JSON: what measures it
// looks for a marker that needs no quoting, and unquoting would cost more than all
// else. A ping and the padding that opens a stream are not counted by the server.
func (s *Session) take(line []byte) (frame, error) {
	if s.transport == Events {
		if len(line) == 0 || line[0] == ':' {
			return frame{opcode: opNothing}, nil
		}
		line = bytes.TrimPrefix(line, eventField)
	}
	switch {
	case bytes.HasPrefix(line, messageLine):
		s.got.Add(1)
		return frame{opText, true, line}, nil
	case bytes.Equal(line, pingLine), bytes.HasPrefix(line, padLine):
		return frame{opcode: opNothing}, nil
	}
	return s.takeRare(line)
}

// takeRare reads a line that comes once in a session: the first, which names it and
// is not counted, or the last one, which is.
func (s *Session) takeRare(line []byte) (frame, error) {
	var parts []json.RawMessage
	var kind, name string
	if json.Unmarshal(line, &parts) == nil && len(parts) == 3 {
		_ = json.Unmarshal(parts[0], &kind) // no kind is not one of these
	}
	var code uint16
	switch {
	case kind == "open" && json.Unmarshal(parts[1], &name) == nil && name != "":
		s.name = url.QueryEscape(name)
		return frame{opcode: opNothing}, nil
	case kind == "close" && json.Unmarshal(parts[1], &code) == nil:
		s.got.Add(1)
		return frame{opClose, true, binary.BigEndian.AppendUint16(nil, code)}, nil
	}
	return frame{}, fmt.Errorf("%.60q is no line that is understood: is this a Belfry?", line)
}
