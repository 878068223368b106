package main

import (
	"fmt"
	"net"
	"strconv"
)

// knownKey is the API key of docker-compose.yml, for trying things out. Everybody knows
// it, so that it is shown like one that was made for this run.
const knownKey = "change-me-development-only"

// welcome tells a newcomer where to look, with a command to paste into a shell. The
// API key is shown only when it was made for this run, or everybody knows it. One that
// was configured is a secret of its owner, and in its place stands the variable.
func (p *program) welcome() string {
	key, hint := p.apiKey, ""
	if key == "" || p.config.API.Key != "" && p.config.API.Key != knownKey {
		key, hint = "$BELFRY_API_KEY", " (BELFRY_API_KEY being the key of the configuration)"
	}
	base := "http://" + p.host()
	return fmt.Sprintf(`Belfry %s is listening. Open

  %s/socketexample

and publish to its chat%s:

  curl %s/api/publish -H "X-API-Key: %s" -d '{"channel":"chat","data":"Hello from curl"}'

`, version(), base, hint, base, key)
}

// warnOfKey says when the API key is not what it should be.
func (p *program) warnOfKey() {
	switch {
	case p.config.API.Key == knownKey:
		p.logger.Warn("the API key is the one of docker-compose.yml, which everybody knows: set BELFRY_API_KEY (api.key) before anybody else can reach this server")
	case p.config.API.Key == "" && p.apiKey != "" && p.config.Redis.URL != "":
		p.logger.Warn("this node has made an API key of its own, which no other node takes: set BELFRY_API_KEY (api.key), the same on all nodes of this Redis")
	}
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
