package web_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/web"
)

// frameOf is a masked frame of a client, whose mask changes nothing.
func frameOf(first byte, payload string) string {
	head := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(len(payload)))
	}
	return string(head) + "\x00\x00\x00\x00" + payload
}

// shakeHands opens a WebSocket on a connection.
func shakeHands(t *testing.T, conn net.Conn, path string) *bufio.Reader {
	t.Helper()
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v, %v", answer, err)
	}
	return in
}

// framesUntilEnd reads frames of the server up to the end of the connection, and words
// them. Dates and pongs are left out.
func framesUntilEnd(t *testing.T, in io.Reader) (frames []string) {
	t.Helper()
	text, err := io.ReadAll(in)
	if err != nil {
		t.Errorf("the connection ends with %v", err)
	}
	for len(text) >= 2 && len(text) >= 2+int(text[1]) {
		first, payload := text[0], string(text[2:2+int(text[1])])
		text = text[2+int(text[1]):]
		switch {
		case first == 0x88 && len(payload) >= 2:
			frames = append(frames, fmt.Sprintf("close %d %s", binary.BigEndian.Uint16([]byte(payload)), payload[2:]))
		case first == 0x88:
			frames = append(frames, "close")
		case first == 0x81 && !isDate(payload):
			frames = append(frames, payload)
		}
	}
	return frames
}

const (
	inParts  = 0x01 // a text frame that goes on
	goesOn   = 0x00
	lastPart = 0x80
)

// brokenRules are what a client may not send, and the code that it hears.
var brokenRules = map[string]struct {
	sent string
	code int
}{
	"a reserved bit":                {frameOf(0xA1, "x"), 1002},
	"a reserved opcode":             {frameOf(0x83, "x"), 1002},
	"a reserved control opcode":     {frameOf(0x8B, ""), 1002},
	"no mask":                       {"\x81\x01x", 1002},
	"a ping in parts":               {frameOf(0x09, ""), 1002},
	"a long ping":                   {frameOf(0x89, strings.Repeat("x", 126)), 1002},
	"a part of nothing":             {frameOf(0x80, "x"), 1002},
	"a message within another":      {frameOf(inParts, "x") + frameOf(0x81, "y"), 1002},
	"a code that is none":           {frameOf(0x88, "\x03\xED"), 1002},
	"a reason that is not UTF-8":    {frameOf(0x88, "\x03\xE8\xFF"), 1002},
	"text that is not UTF-8 so far": {frameOf(inParts, "x\xFF"), 1007},
	"half a frame of no UTF-8":      {frameOf(0x81, "x\xFF"+strings.Repeat("y", 90))[:20], 1007},
	"the same in the second part":   {frameOf(inParts, "x\xE2\x9C") + frameOf(goesOn, "y"), 1007},
	"too long":                      {"\x81\xFF\x00\x00\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", 1009},
}

// TestBrokenRules breaks a rule after two messages. What the client said before comes
// back to it, from the echo and through the hub, and then it is told, before its message
// is whole where that shows already.
func TestBrokenRules(t *testing.T) {
	for name, tc := range brokenRules {
		t.Run(name, func(t *testing.T) {
			onPipes(t, func(t *testing.T, dial func() net.Conn, _ *web.Server, _ *http.Server) {
				for _, path := range []string{"/echo", "/ws/chat"} {
					conn := dial()
					in := shakeHands(t, conn, path)
					go func() {
						_, _ = io.WriteString(conn, frameOf(0x81, "one")+frameOf(inParts, "tw")+frameOf(lastPart, "o")+tc.sent)
					}()
					frames := framesUntilEnd(t, in)
					if len(frames) != 3 || frames[0] != "one" || frames[1] != "two" || !strings.HasPrefix(frames[2], fmt.Sprintf("close %d", tc.code)) {
						t.Errorf("%s: heard %q, want one, two and close code %d", path, frames, tc.code)
					}
				}
			})
		})
	}
}

// TestBrokenRuleAndMore goes on after it has broken a rule. The connection is not reset,
// which would cost the client what it has not read.
func TestBrokenRuleAndMore(t *testing.T) {
	for name, sent := range map[string]string{
		"a reserved bit": frameOf(0xA1, "x"), "text that is not UTF-8 so far": frameOf(inParts, "x\xFF"), "a close frame": frameOf(0x88, "\x03\xE8bye"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := newTestServer(t, nil).dialTCP(t)
			in := shakeHands(t, conn, "/echo")
			_, err := io.WriteString(conn, frameOf(0x81, "one")+sent+strings.Repeat(frameOf(0x89, "more"), 5000))
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.CloseWrite()
			if frames := framesUntilEnd(t, in); len(frames) != 2 || frames[0] != "one" {
				t.Errorf("heard %q, want one, and a close frame", frames)
			}
		})
	}
}

// TestCloseIsEchoed wants the code and the reason back (RFC 6455, section 5.5.1).
func TestCloseIsEchoed(t *testing.T) {
	onPipes(t, func(t *testing.T, dial func() net.Conn, _ *web.Server, _ *http.Server) {
		for said, want := range map[string]string{
			"": "close", "\x03\xE8": "close 1000 ", "\x03\xE8bye, späte Grüße": "close 1000 bye, späte Grüße",
			"\x0F\xA0" + strings.Repeat("r", 123): "close 4000 " + strings.Repeat("r", 123), "\x03\xE9": "close 1001 ",
		} {
			conn := dial()
			in := shakeHands(t, conn, "/ws/chat")
			go func() { _, _ = io.WriteString(conn, frameOf(0x88, said)) }()
			if diff := cmp.Diff([]string{want}, framesUntilEnd(t, in)); diff != "" {
				t.Errorf("after %q (-want +got):\n%s", said, diff)
			}
		}
	})
}
