package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"belfry/cmd/internal/logs"
	"belfry/configs"
	"belfry/hub"
	"belfry/hub/redisbroker"
	"belfry/policy"
	"belfry/web"
)

const (
	// stopWait is how long stopping may take in all.
	stopWait = 4500 * time.Millisecond
	// closeWait is the part of it that clients have to go.
	closeWait = 3500 * time.Millisecond
)

// serveCommand is belfry serve. It has no flags but those of the configuration.
type serveCommand struct {
	configFlags
}

// Help is shown by belfry serve --help.
func (serveCommand) Help() string {
	return `Examples:
  belfry                                    one node, everything in memory
  belfry --redis redis://localhost:6379     one of several nodes
  BELFRY_API_KEY=… belfry --config belfry.yaml

The first SIGTERM or SIGINT asks every client to come back later and stops;
the second stops at once. SIGHUP, SIGUSR1 and SIGUSR2 change nothing and are
logged: the configuration is read at the start only.`
}

// Run serves until the context ends. The welcome goes to standard output, and nothing
// after it; the log goes to standard error. Neither has to be read.
func (c *serveCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.load(t.environ)
	if err != nil {
		return err
	}
	log := logs.New(t.err, logOptions(config))
	defer log.Close()
	defer ignoreSignals(log.Logger)()
	p, err := newProgram(ctx, config, log.Logger)
	if err != nil {
		return err
	}
	logs.Say(t.out, p.welcome())
	return p.run(ctx)
}

// program is the parts of a serving Belfry, which run starts and stops.
type program struct {
	config   configs.Config
	logger   *slog.Logger
	apiKey   string         // the configured one, or one that was made
	listener net.Listener   // of everything but policy files; run closes it
	inline   *policy.Policy // answered on the HTTP port; nil when that is switched off
	hub      *hub.Hub
	web      *web.Server
	flash    *policy.Server // nil when it is switched off or may not listen
}

// newProgram makes the parts and takes the ports, so that what is wrong with either is
// known before anything runs. After an error no port is held.
func newProgram(ctx context.Context, config configs.Config, logger *slog.Logger) (*program, error) {
	p := &program{config: config, logger: logger, apiKey: config.API.Key.Reveal()}
	if p.apiKey == "" && len(config.API.Keys) == 0 {
		p.apiKey = rand.Text()
	}
	p.warnOfKey()
	tokens, err := credentials(config, logger)
	if err != nil {
		return nil, err
	}
	keys, err := apiKeys(config)
	if err != nil {
		return nil, err
	}
	broker, err := newBroker(config, logger)
	if err != nil {
		return nil, err
	}
	if p.listener, err = listen(ctx, config.HTTP.Addr); err != nil {
		return nil, err
	}
	file, err := p.policyFile()
	if err != nil {
		return nil, errors.Join(err, p.listener.Close())
	}
	p.hub = hub.New(hub.Options{Broker: broker, Rules: rules(config), Logger: logger, Limits: kept(config)})
	p.web = web.New(web.Options{
		Hub: p.hub, Logger: logger, APIKey: p.apiKey, APIKeys: keys, Origins: config.Origins, Hosts: config.AnsweredHosts(),
		Limits:  limits(config),
		Tokens:  tokens,
		Legacy:  config.Legacy.Enabled,
		Version: version(), Name: nodeName(), Subscribe: config.Connect.Subscribe, CrossDomain: file.CrossDomain(),
	})
	if config.Legacy.Enabled {
		p.inline = file
	}
	p.flash = p.listenFlash(ctx, file)
	return p, nil
}

// newBroker is the one that the configuration wants. The one for Redis connects when
// the hub is run.
func newBroker(config configs.Config, logger *slog.Logger) (hub.Broker, error) {
	if config.Redis.URL == "" {
		return hub.NewMemoryBrokerWithin(kept(config)), nil
	}
	redisbroker.LogTo(logger)
	return redisbroker.New(redisbroker.Options{
		URL: config.Redis.URL.Reveal(), CA: config.Redis.CA, Cert: config.Redis.Cert, Key: config.Redis.Key, PresenceTTL: time.Duration(config.Presence.TTL), Logger: logger,
	})
}

// nodeName is what people call this machine, or empty when it does not know.
func nodeName() string {
	name, _ := os.Hostname()
	return name
}

// run serves until the context ends, then stops the parts in order: clients
// first, then requests under way, then the hub, which both of these need. When a part
// fails the others are stopped in the same order, and its error is returned. Nothing
// is left running.
func (p *program) run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	server := p.server()
	g, failed := errgroup.WithContext(ctx)
	g.Go(func() error { return p.hub.Run(work) })
	g.Go(func() error { p.web.Run(work); return nil })
	g.Go(func() error { trimMemory(work); return nil })
	if p.flash != nil {
		g.Go(func() error { return p.flash.Run(work) })
	}
	g.Go(func() error {
		if err := server.Serve(policy.Inline(p.listener, p.inline, p.logger)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-failed.Done() // a signal, or a part that failed
		defer stop()
		return p.stop(server)
	})
	err := g.Wait()
	n := p.hub.Stats()
	p.logger.Info("stopped", "repaired", n.Repaired, "lost", n.Lost, "reads", n.Reads, "evicted", p.web.NumEvicted())
	return err
}

// stop sends the clients away and waits for requests under way, and for neither
// longer than it may. When it is called the context of the run has ended, so it makes
// one of its own.
func (p *program) stop(server *http.Server) error {
	p.logger.Info("stopping, a second signal stops at once")
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	clients, done := context.WithTimeout(ctx, closeWait)
	defer done()
	if err := p.web.Shutdown(clients); err != nil {
		p.logger.Warn("some clients did not go by themselves and were cut off", "err", err)
	}
	if err := server.Shutdown(ctx); err != nil {
		p.logger.Warn("some requests were cut off", "err", err)
		_ = server.Close()
	}
	return nil
}
