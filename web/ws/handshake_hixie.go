package ws

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"strings"

	"belfry/web/fault"
)

// hixieAnswer is the head of the answer to a handshake of hixie-75 or hixie-76,
// as bytes: clients compare the first lines literally and look the other names up
// in this spelling, with one space behind the colon.
func hixieAnswer(r *http.Request, d draft) []byte {
	prefix, reason := "Sec-WebSocket-", "WebSocket Protocol Handshake"
	if d == draftHixie75 {
		prefix, reason = "WebSocket-", "Web Socket Protocol Handshake"
	}
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString(prefix + name + ": " + value + "\r\n")
		}
	}
	b.WriteString("HTTP/1.1 101 " + reason + "\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n")
	origin, protocol := r.Header.Get("Origin"), r.Header.Get(prefix+"Protocol")
	if d == draftHixie75 && origin == "" {
		// What the first servers in JavaScript said to a request typed into a
		// shell, and what their readers were told to expect.
		origin = "undefined"
		if protocol == "" {
			protocol = "*"
		}
	}
	line("Origin", origin)
	line("Location", hixieLocation(r))
	line("Protocol", protocol)
	b.WriteString("\r\n")
	return []byte(b.String())
}

// hixieLocation is the URL that the client has dialled, with the host as it sent
// it: old clients leave the port out here, and compare. The HTTP server let no
// control characters through.
func hixieLocation(r *http.Request) string {
	scheme := "ws://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "wss://"
	}
	path := r.RequestURI
	if !strings.HasPrefix(path, "/") {
		path = r.URL.RequestURI() // a whole URL, as proxies are sent
	}
	return scheme + r.Host + path
}

// errHixieKey is what is wrong with a key of hixie-76.
var errHixieKey = errors.New("want digits whose number is a multiple of the spaces among them, one at least, and divides to at most 4294967295")

// maxHixieKey is the longest key in bytes. Clients send about 30 at most.
const maxHixieKey = 256

// hixieKey is the number of a key: its digits read as one, divided by how many
// spaces there are (hybi-00, section 5.2). The other characters are noise.
func hixieKey(key string) (uint32, error) {
	var number, spaces uint64
	if len(key) > maxHixieKey {
		return 0, errHixieKey
	}
	for _, c := range []byte(key) {
		switch {
		case c == ' ':
			spaces++
		case c >= '0' && c <= '9':
			if number = number*10 + uint64(c-'0'); number > math.MaxUint32*maxHixieKey {
				return 0, errHixieKey
			}
		}
	}
	if spaces == 0 || number%spaces != 0 || number/spaces > math.MaxUint32 {
		return 0, errHixieKey
	}
	return uint32(number / spaces), nil
}

// hixieChallenge is what the digest is made of: the numbers of both keys, and
// room for the eight bytes behind the head.
type hixieChallenge [16]byte

// hixieKeys reads the keys of a hixie-76 handshake. Their header fields come in
// any order.
func hixieKeys(r *http.Request) (c hixieChallenge, err error) {
	for i, name := range []string{"Sec-WebSocket-Key1", "Sec-WebSocket-Key2"} {
		number, err := hixieKey(r.Header.Get(name))
		if err != nil {
			return c, fault.Field(name, err.Error())
		}
		binary.BigEndian.PutUint32(c[4*i:], number)
	}
	return c, nil
}

// body is where the eight bytes go.
func (c *hixieChallenge) body() []byte { return c[8:] }

// digest proves that the server has read the keys and the body.
func (c *hixieChallenge) digest() []byte {
	sum := md5.Sum(c[:])
	return sum[:]
}
