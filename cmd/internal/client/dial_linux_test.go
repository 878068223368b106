package client

import (
	"net"
	"net/url"
	"testing"
)

// TestSourceAddresses checks that ports do not run out.
func TestSourceAddresses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := NewDialer(t.Context(), &url.URL{Scheme: "ws", Host: l.Addr().String()}, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]string{0: "127.0.0.1", perSource - 1: "127.0.0.1", perSource: "127.0.0.2", 19_000: "127.0.0.3"} {
		c, err := d.Dial(t.Context(), i, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.LocalAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("connection %d comes from %s, want %s", i, got, want)
		}
		_ = c.Close()
	}
}
