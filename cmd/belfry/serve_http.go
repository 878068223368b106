package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"belfry/cmd/internal/logs"
)

const (
	// headerWait is how long the head of a request may take: a person who types
	// a handshake into a shell needs more than a program does. A client that stops
	// in it costs what one costs between two requests, which has http.idle.
	headerWait = 30 * time.Second
	// quietWait is after how long of silence an HTTP/2 client is asked whether it is
	// there, and writeWait how long it may take nothing of what it is sent.
	quietWait = 15 * time.Second
	writeWait = 10 * time.Second
)

// listen takes the port of everything but policy files.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	config := net.ListenConfig{Control: boundSocket}
	l, err := config.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && nobodyListens(ctx, addr):
		return nil, fmt.Errorf("the address %s is taken, though nobody listens there: it is this machine's end of an outgoing connection. "+
			"Try again later, choose another with --addr, http.addr or BELFRY_HTTP_ADDR, or keep the system from giving the port away: "+
			"sudo sysctl -w net.ipv4.ip_local_reserved_ports=%s", addr, portOf(addr))
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the address %s is taken by another program: choose another with --addr, http.addr or BELFRY_HTTP_ADDR", addr)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s (--addr, http.addr or BELFRY_HTTP_ADDR): %w", addr, err)
	}
	return l, nil
}

// nobodyListens reports whether nobody answers at an address of this machine that
// cannot be taken. The system gives ports to outgoing connections, on Linux those from
// 32768 to 60999 as a rule.
func nobodyListens(ctx context.Context, addr string) bool {
	server, err := localServer(addr)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(string(server), "http://"))
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// portOf is the port of an address.
func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// server answers HTTP requests. It has no write timeout, which would end streams:
// web sets a deadline for each body and each answer.
func (p *program) server() *http.Server {
	return &http.Server{
		Handler:           p.web,
		Protocols:         protocols(),
		ReadHeaderTimeout: headerWait,
		IdleTimeout:       time.Duration(p.config.HTTP.Idle),
		MaxHeaderBytes:    64 << 10,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: quietWait, WriteByteTimeout: writeWait},
		ErrorLog:          log.New(httpLog{p.logger}, "", 0),
	}
}

// httpLog sorts what net/http logs: most is what clients do wrong, and for debugging
// only.
type httpLog struct{ logger *slog.Logger }

// Write takes one line, or a panic with its stack.
func (l httpLog) Write(p []byte) (int, error) {
	text, stack, _ := strings.Cut(strings.TrimSpace(string(p)), "\n")
	switch {
	case strings.Contains(text, "Accept error"):
		l.logger.Warn("no connection can be accepted, trying again", "err", text)
	case strings.Contains(text, "panic serving"):
		l.logger.Error("panic", "err", text, logs.StackKey, stack)
	default:
		l.logger.Debug("http", "err", text)
	}
	return len(p), nil
}

// protocols are the versions of HTTP that are spoken. HTTP/2 without TLS is for
// proxies in front, and begins without an upgrade (RFC 9113, section 3.3).
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}
