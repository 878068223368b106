package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// healthWait is how long a server may take to say how it is.
const healthWait = 2 * time.Second

// healthCommand is belfry health, made for health checks of containers: they run in
// the server's own environment and need no argument.
type healthCommand struct {
	configFlags
	Ready  bool      `help:"Ask whether it can serve, and not only whether it is alive."`
	Server serverURL `help:"Ask this server, and not the one that the configuration describes on this machine." placeholder:"URL"`
}

// Help is shown by belfry health --help.
func (healthCommand) Help() string {
	return `Examples:
  belfry health                                  the server on this machine
  belfry health --ready
  belfry health --server http://10.0.0.7:40132

Without --ready it asks whether the server is alive, for whoever starts it again
when it is not: without Redis it is alive, and its clients stay connected. With
--ready it asks whether the server can serve, for whoever sends it clients.

Without --server it asks the address that the configuration has for http.addr,
so that a container's health check needs no argument. It prints nothing when
all is well, or else the reason; the exit code is 0 or 1. Proxies that the
environment names are not used.`
}

// Validate is called by kong before Run.
func (c *healthCommand) Validate() error { return c.Server.check() }

// Run asks the server for /healthz or /readyz. A server that is stopping, or has no
// Redis, is alive and not ready, and says so.
func (c *healthCommand) Run(ctx context.Context, t *terminal) error {
	server := c.Server
	if server == "" {
		config, err := c.load(t.environ)
		if err != nil {
			return err
		}
		if server, err = localServer(config.HTTP.Addr); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	if c.Ready {
		return ask(ctx, server.http("/readyz"), server)
	}
	return ask(ctx, server.http("/healthz"), server)
}

// localServer is where this machine finds a server that listens on addr: one that
// listens on all addresses answers on loopback.
func localServer(addr string) (serverURL, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", errors.New("http.addr takes any free port: say which it is with --server URL")
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	return serverURL("http://" + net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port)), nil
}

// ask returns nil when the server answers 200, and else what it says or that it says
// nothing. It asks no proxy: that would say how the proxy is.
func ask(ctx context.Context, url string, server serverURL) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s does not answer within %v", server, healthWait)
	case err != nil:
		return reachError(server, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil && response.StatusCode != http.StatusOK {
		err = newAnswerError(server, response.StatusCode, body)
	}
	return err
}
