package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"belfry/configs"
	"belfry/hub/redisbroker"
)

// configFlags are the flags of commands that read the configuration.
type configFlags struct {
	Config string  `help:"Read the configuration from a YAML FILE." placeholder:"FILE"`
	Addr   *string `help:"Listen for HTTP on this address." placeholder:"HOST:PORT"`
	Redis  *string `help:"Join the nodes at this Redis." placeholder:"URL"`
}

// load reads and checks the configuration: defaults, file, environment, flags, of
// which the later wins. The error is a [configs.Faults] with all faults at once,
// those of reading before those of checking.
func (f *configFlags) load(environ []string) (configs.Config, error) {
	config, err := configs.Load(f.Config, environ)
	var faults configs.Faults
	if err != nil && !errors.As(err, &faults) {
		return config, err
	}
	if f.Addr != nil {
		config.HTTP.Addr = *f.Addr
		config.From("http.addr", "--addr")
	}
	if f.Redis != nil {
		config.Redis.URL = configs.URL(*f.Redis)
		config.From("redis.url", "--redis")
	}
	var more configs.Faults
	if errors.As(config.Check(redisbroker.CheckURL), &more) {
		faults = append(faults, more...)
	}
	if len(faults) > 0 {
		return config, faults
	}
	if _, err = credentials(config, slog.New(slog.DiscardHandler)); err != nil {
		return config, err
	}
	_, err = apiKeys(config)
	return config, err
}

// configCommand is belfry config and what is below it. All of it reads the
// configuration in the same way as belfry serve, so what it tells is what a server
// would do.
type configCommand struct {
	Print   printCommand   `cmd:"" default:"withargs" help:"Check the configuration and print what is in force. The default."`
	Explain explainCommand `cmd:"" help:"Say which rule a channel has, and who may do what there."`
}

// Help is shown by belfry config --help.
func (configCommand) Help() string {
	return `Examples:
  belfry config                           the defaults, and what the environment says
  belfry config --config belfry.yaml
  belfry config > belfry.yaml             a file to begin with
  belfry config explain chat              who may do what on a channel

The order is defaults, file, environment, flags; the later wins. Secrets are
hidden. When something is not accepted, every fault is printed on standard
error, one on a line, and the exit code is 1.`
}

// printCommand is belfry config.
type printCommand struct {
	configFlags
	JSON bool `name:"json" help:"Print JSON in place of YAML."`
}

// Run prints the configuration in force.
func (c *printCommand) Run(t *terminal) error {
	config, err := c.load(t.environ)
	if err != nil {
		return err
	}
	config = config.InForce()
	text, err := config.YAML()
	if c.JSON {
		text, err = json.MarshalIndent(config, "", "  ")
		text = append(text, '\n')
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s", text)
	return err
}
