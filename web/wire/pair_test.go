package wire_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"belfry/hub/hubtest"
	"belfry/web/wire"
)

// bounds are options for tests in which no bound is reached.
var bounds = &wire.Options{Limit: 64 << 20, WriteWait: hubtest.Patience}

// eachKind runs a test over each kind of connection below a Conn: a plain
// socket, and two that are not.
func eachKind(t *testing.T, test func(t *testing.T, kind string)) {
	for _, kind := range []string{"tcp", "tls", "pipe"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// open returns a Conn and the peer's end of it.
func open(t testing.TB, kind string, o *wire.Options) (*wire.Conn, net.Conn) {
	t.Helper()
	server, client := pair(t, kind)
	c := wire.NewConn(server, nil, o)
	t.Cleanup(func() {
		_ = client.Close()
		_ = c.Close()
		c.Wait()
	})
	return c, client
}

func pair(t testing.TB, kind string) (server, client net.Conn) {
	t.Helper()
	switch kind {
	case "pipe":
		return net.Pipe()
	case "tls":
		server, client = tcpPair(t)
		return tlsPair(t, server, client)
	}
	return tcpPair(t)
}

// tcpPair returns connected sockets with small buffers, so that a peer that
// does not read is felt soon.
func tcpPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	// Not smaller: below the loopback's 64 KiB segments TCP crawls.
	_ = server.(*net.TCPConn).SetWriteBuffer(64 << 10)
	_ = client.(*net.TCPConn).SetReadBuffer(128 << 10)
	return server, client
}

func tlsPair(t testing.TB, server, client net.Conn) (*tls.Conn, *tls.Conn) {
	t.Helper()
	s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	c := tls.Client(client, &tls.Config{InsecureSkipVerify: true}) // who the server is does not matter here
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return s, c
}

// certificate is made once for all tests.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})
