package wire

import (
	"bytes"
	"net"
	"net/http"
)

// TakeOver takes the connection of a request over from the HTTP server, and what
// the client has sent behind it. It fails where that cannot be done, as on HTTP/2,
// with an error that wraps [http.ErrNotSupported], and then nothing has happened.
//
// A listener that looks at first bytes wraps its connections, as the one of
// belfry/policy does. One that has a method Unwrap gives back the socket below,
// which is then written to directly.
func TakeOver(w http.ResponseWriter) (conn net.Conn, early []byte, err error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ = rw.Reader.Peek(rw.Reader.Buffered())
	if wrapped, ok := conn.(interface{ Unwrap() net.Conn }); ok {
		conn = wrapped.Unwrap()
	}
	return conn, bytes.Clone(early), nil
}
