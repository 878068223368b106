package client

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// maxHead is the longest head of a response in bytes. Belfry's have a few hundred;
// a proxy between may add to them.
const maxHead = 4096

// headEnd is the empty line behind it.
var headEnd = []byte("\r\n\r\n")

// handshake asks for WebSocket, with a token unless it is empty, and returns what the
// server sent behind its answer (RFC 6455, section 4.1). That the answer fits the key is not checked: who
// switches protocols after this request means WebSocket.
func handshake(c net.Conn, u *url.URL, token string) (early []byte, err error) {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	if token != "" {
		token = "Authorization: Bearer " + token + "\r\n"
	}
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", u.RequestURI(), u.Host, base64.StdEncoding.EncodeToString(key), token)
	if err != nil {
		return nil, err
	}
	head, early, err := readHead(c)
	if err != nil {
		return nil, fmt.Errorf("the server does not answer the WebSocket handshake, it may have reached a limit of its own: %w", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return nil, fmt.Errorf("the server does not speak HTTP: %w", err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("the server answers %s to a WebSocket handshake at %s", response.Status, u.Path)
	}
	return early, nil
}

// readHead reads the head of an HTTP response of at most 4 KiB, and what the same
// reads have brought of what follows it.
func readHead(c net.Conn) (head, rest []byte, err error) {
	b := make([]byte, maxHead)
	for n := 0; n < len(b); {
		k, err := c.Read(b[n:])
		if err != nil {
			return nil, nil, err
		}
		n += k
		if i := bytes.Index(b[:n], headEnd); i >= 0 {
			end := i + len(headEnd)
			return b[:end], b[end:n], nil
		}
	}
	return nil, nil, errors.New("the server's answer to a WebSocket handshake has more than 4 KiB")
}
