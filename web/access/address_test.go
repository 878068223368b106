package access_test

import (
	"testing"

	"belfry/web/access"
)

func TestAddress(t *testing.T) {
	for remote, want := range map[string]struct {
		address string
		proxy   bool
	}{
		"203.0.113.5:1":             {"203.0.113.5", false},
		"[::ffff:203.0.113.5]:1":    {"203.0.113.5", false},
		"[2001:db8:1:2:3:4:5:6]:1":  {"2001:db8:1:2::", false},
		"[2001:db8:1:2::]:2":        {"2001:db8:1:2::", false},
		"100.64.0.1:1":              {"100.64.0.1", false}, // many customers of one provider
		"127.0.0.2:1":               {"127.0.0.2", true},
		"[::1]:1":                   {"::1", true},
		"192.168.1.2:1":             {"192.168.1.2", true},
		"172.32.0.1:1":              {"172.32.0.1", false},
		"[fd00:1:2:3:4::5]:1":       {"fd00:1:2:3::", true},
		"[fe80::1:2:3:4%eth0]:1":    {"fe80::", true},
		"@":                         {"invalid IP", true},
		"":                          {"invalid IP", true},
		"pipe":                      {"invalid IP", true},
		"[2001:db8:1:2::7%eth0]:10": {"2001:db8:1:2::", false},
	} {
		got := access.Hello{Remote: remote}.Address()
		if got.String() != want.address || access.MayBeProxy(got) != want.proxy {
			t.Errorf("%q: %v, maybe a proxy %t; want %v", remote, got, access.MayBeProxy(got), want)
		}
	}
}
