package main

import (
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"belfry/configs"
)

// TestLegacy asks for a policy file on the HTTP port, and for a WebSocket as it
// was done before RFC 6455, where that is switched on and where it is not.
func TestLegacy(t *testing.T) {
	const shell = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
	on := runProgram(t, nil)
	off := runProgram(t, func(c *configs.Config) { c.Legacy.Enabled = false })
	cases := []struct {
		name          string
		server        serverURL
		request, want string
	}{
		{"policy, on", on, "<policy-file-request/>\x00", `<allow-access-from domain="localhost"`},
		{"hixie-75, on", on, shell, "HTTP/1.1 101 Web Socket Protocol Handshake\r\n"},
		{"policy, off", off, "<policy-file-request/>\x00\r\n\r\n", "HTTP/1.1 400 "},
		{"hixie-75, off", off, shell, "legacy.enabled"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			u, err := url.Parse(string(tc.server))
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err := io.WriteString(conn, tc.request); err != nil {
				t.Fatal(err)
			}
			var answer strings.Builder
			for err == nil && !strings.Contains(answer.String(), tc.want) {
				_, err = io.CopyN(&answer, conn, 1)
			}
			if err != nil {
				t.Errorf("got %q, %v; want %q", answer.String(), err, tc.want)
			}
		})
	}
}
