package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"

	"belfry/web/fault"
)

var errKey = fault.Newf(fault.BadRequest, "Sec-WebSocket-Key: one key of 1 to %d bytes is expected", maxKey)

// acceptGUID is what a server appends to the key (RFC 6455, section 1.3). It has
// been the same since hybi-04.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// maxKey is the longest key in bytes.
const maxKey = 256

// checkKey wants a key, of any length: clients that people still run do not send
// the 16 bytes in base64 of RFC 6455, section 4.1, but 15, or 32, or 38.
func checkKey(r *http.Request) error {
	if keys := r.Header["Sec-Websocket-Key"]; len(keys) != 1 || keys[0] == "" || len(keys[0]) > maxKey {
		return errKey
	}
	return nil
}

// maskedAnswer is the answer to a handshake of versions 7, 8 and 13. It is
// written as bytes because old clients look names up in the spelling of their
// draft, and want Connection to be the one word.
func maskedAnswer(key, subprotocol string) []byte {
	digest := sha1.Sum([]byte(key + acceptGUID))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(digest[:]) + "\r\n"
	if subprotocol != "" {
		answer += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	return []byte(answer + "\r\n")
}

// gorillaRequest is a handshake that gorilla takes, whatever the client sent; its
// answer is not the one that goes out. Nobody changes it.
var gorillaRequest = &http.Request{Method: http.MethodGet, Header: http.Header{
	"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
	"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
}}
