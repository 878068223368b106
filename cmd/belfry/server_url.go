package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// defaultServer is where a Belfry that was told nothing is found.
const defaultServer serverURL = "http://localhost:40132"

// serverFlags are the flags of commands that are clients of a running server.
type serverFlags struct {
	Server serverURL `help:"The address of the running Belfry; http://localhost:40132 if it is not given." env:"BELFRY_SERVER" placeholder:"URL"`
}

// address is the server that the command talks to.
func (f *serverFlags) address() serverURL { return cmp.Or(f.Server, defaultServer) }

// serverURL is where a running Belfry is, in the form scheme://host[/prefix]
// with the scheme http or https and no slash at the end. It is empty when
// nothing was said.
type serverURL string

// UnmarshalText takes any text: kong would show a variable that is refused here
// whole, and it may hold a password. The faults are found by check.
func (s *serverURL) UnmarshalText(text []byte) error {
	parsed, err := parseServer(string(text))
	if err != nil {
		parsed = serverURL(text)
	}
	*s = parsed
	return nil
}

// check returns what is wrong with the address. The error repeats nothing of it but
// the scheme, because a password may be in it.
func (s serverURL) check() error {
	if _, err := parseServer(string(s)); err != nil {
		return fmt.Errorf("the server's address (--server, BELFRY_SERVER): %w", err)
	}
	return nil
}

// parseServer reads http://, https://, ws:// and wss:// URLs; what has no scheme
// is taken for http://. A path is kept, for a server behind a proxy.
func parseServer(address string) (serverURL, error) {
	const want = "want a URL such as " + string(defaultServer)
	if address == "" {
		return "", nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New(want)
	case u.User != nil:
		return "", errors.New("has a name or a password in it, which has no use; " + want)
	}
	scheme, ok := map[string]string{"http": "http", "ws": "http", "https": "https", "wss": "https"}[u.Scheme]
	if !ok {
		return "", fmt.Errorf("%s:// is not spoken; %s", u.Scheme, want)
	}
	return serverURL(scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/")), nil
}

// http is the URL of a path that begins with a slash.
func (s serverURL) http(path string) string { return string(s) + path }

// webSocket is the same for WebSocket.
func (s serverURL) webSocket(path string) string {
	return "ws" + strings.TrimPrefix(s.http(path), "http")
}
