package main

import (
	"fmt"
	"net"
	"strconv"
)

// welcome tells a newcomer where to look, with a command to paste into a shell. The
// API key is shown only when it was made for this run. One that was configured is a
// secret of its owner, and in its place stands the variable.
func (p *program) welcome() string {
	key := "$BELFRY_API_KEY"
	if p.config.API.Key == "" {
		key = p.apiKey
	}
	base := "http://" + p.host()
	return fmt.Sprintf(`Belfry %s is listening. Open

  %s/socketexample

and publish to its chat:

  curl %s/api/publish -H "X-API-Key: %s" -d '{"channel":"chat","data":"Hello from curl"}'

`, version(), base, base, key)
}

// host is the address to try from this machine, with the port that was really taken.
func (p *program) host() string {
	addr := p.listener.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
