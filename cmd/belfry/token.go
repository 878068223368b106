package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"belfry/configs"
	"belfry/web/token"
)

// tokenCommand is belfry token and what is below it: what a backend does for its users,
// for people who have no backend yet, or whose tokens are not taken. It reads the configuration in the
// same way as belfry serve, and asks nothing of a running server.
type tokenCommand struct {
	Make  makeTokenCommand  `cmd:"" default:"withargs" help:"Make a token for trying things. The default."`
	Check checkTokenCommand `cmd:"" help:"Say whose a token is, what for and until when, and whether a server would take it."`
}

// Help is shown by belfry token --help.
func (tokenCommand) Help() string {
	return `Examples:
  belfry token --user ada --config belfry.yaml
  belfry token --user ada --subscribe 'team:7:*' --ttl 1h
  belfry token --user ada --channel '$private'    for one subscription
  belfry token check - < token.txt

Tokens are how a backend says who its users are, and it makes them itself: these
are for trying things. They are signed with a secret of the configuration
(tokens.keys). Whoever has a token is that user until it expires.
belfry token make --help lists the flags.`
}

// makeTokenCommand is belfry token.
type makeTokenCommand struct {
	configFlags
	User      string        `help:"The ID of the user whose token it is, the claim sub." placeholder:"ID"`
	Subscribe []string      `help:"Let it subscribe to channels, by a PATTERN with * for any run of characters; may be given several times, as the next three." placeholder:"PATTERN" sep:"none"`
	Publish   []string      `help:"Let it publish there." placeholder:"PATTERN" sep:"none"`
	History   []string      `help:"Let it read the history there." placeholder:"PATTERN" sep:"none"`
	Presence  []string      `help:"Let it read there who is present." placeholder:"PATTERN" sep:"none"`
	Channel   string        `help:"Make a token for one subscription, to this CHANNEL. It does not connect." placeholder:"CHANNEL"`
	Info      string        `help:"What others are told of the user: any JSON up to 1 KiB." placeholder:"JSON"`
	TTL       time.Duration `name:"ttl" help:"How long it is good: 1h if it is not given." default:"1h" placeholder:"DURATION"`
	Key       string        `help:"Sign with the key of this NAME, and not with the first that has a secret." placeholder:"NAME"`
	JSON      bool          `name:"json" help:"Print a JSON object with token and claims."`
}

// grants are what the token names, by action: the words of the claim belfry, as
// web/access reads them. What was not given is left out, because an empty list would be
// a grant of nothing that looks like one.
func (c *makeTokenCommand) grants() map[string][]string {
	all := map[string][]string{"subscribe": c.Subscribe, "publish": c.Publish, "history": c.History, "presence": c.Presence}
	for action, patterns := range all {
		if len(patterns) == 0 {
			delete(all, action)
		}
	}
	return all
}

// Validate is called by kong before Run.
func (c *makeTokenCommand) Validate() error {
	grants := c.grants()
	switch {
	case c.TTL < time.Second:
		return errors.New("--ttl: want 1s or more")
	case c.Info != "" && !json.Valid([]byte(c.Info)):
		return errors.New(`--info: want JSON, such as '{"name":"Ada"}'`)
	case c.Channel != "" && len(grants) > 0:
		return errors.New("--channel makes a token for one subscription, which names no patterns: give either")
	case c.Channel == "" && c.User == "" && len(grants) == 0:
		return errors.New("say whose token it is with --user ID, or what it is for with --subscribe PATTERN: see belfry token --help")
	case c.Channel != "":
		return checkChannels(c.Channel)
	}
	return checkChannels(slices.Concat(c.Subscribe, c.Publish, c.History, c.Presence)...)
}

// Run prints a token that a server with this configuration takes: it is judged before it
// is printed, because a key may not grant everything, and nobody is helped by a token
// that is refused later.
func (c *makeTokenCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.load(t.environ)
	if err != nil {
		return err
	}
	key, err := c.signingKey(config)
	if err != nil {
		return err
	}
	claims := c.claims(config)
	text, err := token.Sign(key, claims)
	if err != nil {
		return err
	}
	if v := judge(ctx, config, text, warner(t.err)); v.err != nil {
		return fmt.Errorf("no server with this configuration would take such a token: %w", v.err)
	}
	if !c.JSON {
		_, err = fmt.Fprintln(t.out, text)
		return err
	}
	return printObject(t.out, map[string]any{"token": text, "claims": claims})
}

// claims are what the token says. It has an ID of its own, its jti, by which it can be
// taken back; and where the configuration wants an issuer or an audience it is from and
// for those.
func (c *makeTokenCommand) claims(config configs.Config) map[string]any {
	now := time.Now()
	all := map[string]any{"iat": now.Unix(), "exp": now.Add(c.TTL).Unix(), "jti": rand.Text()}
	add := func(name, value string) {
		if value != "" {
			all[name] = value
		}
	}
	add("sub", c.User)
	add("channel", c.Channel)
	add("iss", config.Tokens.Issuer)
	add("aud", config.Tokens.Audience)
	if c.Info != "" {
		all["info"] = json.RawMessage(c.Info)
	}
	if grants := c.grants(); len(grants) > 0 {
		all["belfry"] = grants
	}
	return all
}

// signingKey is the key that is named, or the first with a secret. Of public keys the
// private one is elsewhere, and of those at a URL as well: only a secret both checks and
// signs.
func (c *makeTokenCommand) signingKey(config configs.Config) (token.Key, error) {
	var names []string
	for _, k := range config.Tokens.Keys {
		if c.Key == k.Name || c.Key == "" && k.Secret != "" {
			return token.Key{Name: k.Name, Algorithm: k.Algorithm, Secret: k.Secret.Reveal()}, nil
		}
		names = append(names, k.Name)
	}
	switch {
	case len(names) == 0:
		return token.Key{}, errNoKeys
	case c.Key != "":
		return token.Key{}, fmt.Errorf("--key: there is no %q in tokens.keys; there are %s", c.Key, strings.Join(names, ", "))
	}
	return token.Key{}, fmt.Errorf("none of the keys has a secret to sign with (tokens.keys: %s): make the token where the private key is, and try belfry token check", strings.Join(names, ", "))
}

// errNoKeys says how to have users.
var errNoKeys = errors.New("no key for tokens is configured (tokens.keys), and so there are no users; for trying things, give the server and this command the same " +
	`BELFRY_TOKENS_KEYS='[{name: main, algorithm: HS256, secret: "32 random letters or more"}]'`)
