package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"belfry/web/access"
)

// maxTokenText is the most bytes that are read of a token from standard input.
const maxTokenText = 64 << 10

// checkTokenCommand is belfry token check.
type checkTokenCommand struct {
	configFlags
	Token   string `arg:"" help:"The token. A dash reads it from standard input, so that others on this machine do not see it."`
	Channel string `help:"Say what it may do on this CHANNEL, too." placeholder:"CHANNEL"`
	JSON    bool   `name:"json" help:"Print a JSON object."`
}

// Help is shown by belfry token check --help.
func (checkTokenCommand) Help() string {
	return `Examples:
  belfry token check eyJhbGciOi… --config belfry.yaml
  belfry token --user ada | belfry token check -
  belfry token check - --channel team:7:chat < token.txt

It needs no running server: it reads the configuration, and says what a server
that has it would say. What a token claims is printed even if it is not taken;
then nothing of it is proven. The exit code is 0 when the token is taken, 1 when
it is not, 2 when the command makes no sense.`
}

// Validate is called by kong before Run.
func (c *checkTokenCommand) Validate() error {
	if strings.TrimSpace(c.Token) == "" {
		return errors.New("the token is empty; a dash reads it from standard input")
	}
	if c.Channel == "" {
		return nil
	}
	return checkChannels(c.Channel)
}

// Run prints what the token is good for, or why it is not.
func (c *checkTokenCommand) Run(ctx context.Context, t *terminal) error {
	text, err := c.text(t.in)
	if err != nil {
		return err
	}
	config, err := c.load(t.environ)
	if err != nil {
		return err
	}
	v := judge(ctx, config, text, warner(t.err))
	if c.JSON {
		err = printObject(t.out, c.object(ctx, &v))
	} else {
		err = c.print(ctx, t.out, &v)
	}
	if err == nil && v.err != nil {
		err = fmt.Errorf("this token is not taken: %w", v.err)
	}
	return err
}

// text is the token alone, as it was given or read. People paste what they have: with
// the word Bearer before it, or a line break behind it.
func (c *checkTokenCommand) text(stdin io.Reader) (string, error) {
	text := c.Token
	if text == "-" {
		all, err := readAtMost(stdin, maxTokenText)
		if err != nil {
			return "", fmt.Errorf("standard input: %w", err)
		}
		text = string(all)
	}
	text = strings.TrimSpace(text)
	if scheme, rest, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "bearer") {
		text = strings.TrimSpace(rest)
	}
	if text == "" {
		return "", errors.New("standard input has no token")
	}
	return text, nil
}

// print prints for people: what was proven, or what is only claimed. The reason why a
// token is not taken is the error of the command, and stands below.
func (c *checkTokenCommand) print(ctx context.Context, w io.Writer, v *verdict) error {
	text := "not taken; what it claims:\n\n" + columns(claimRows(v.said, time.Now()))
	switch {
	case v.err != nil && v.said.Claims == nil:
		return nil // there is nothing to show
	case v.err == nil:
		text = "taken\n\n" + columns(v.rows(time.Now()))
	}
	if v.err == nil && c.Channel != "" {
		text += "\non " + printable(c.Channel) + "\n\n" + columns(c.channelRows(ctx, v))
	}
	_, err := io.WriteString(w, text)
	return err
}

// object is the same for programs. It has taken and, where the token can be read, header
// and claims as they are; of one that is not taken reason, and of one that is taken user,
// key, until and, beside a channel, what it may do there.
func (c *checkTokenCommand) object(ctx context.Context, v *verdict) map[string]any {
	all := map[string]any{"taken": v.err == nil}
	if v.said.Claims != nil {
		all["header"], all["claims"] = v.said.Header, v.said.Claims
	}
	if v.err != nil {
		all["reason"] = v.err.Error()
		return all
	}
	user, key, until := v.identity()
	all["user"], all["key"] = user, key
	if !until.IsZero() {
		all["until"] = until.UTC().Format(time.RFC3339)
	}
	if c.Channel != "" {
		may := make(map[string]bool)
		for _, a := range c.answers(ctx, v) {
			may[a.action] = a.err == nil
		}
		all["channel"], all["may"] = c.Channel, may
	}
	return all
}

// channelAnswer is whether something may be done on a channel. The error is that of the
// guard, in full.
type channelAnswer struct {
	action string
	err    error
}

// answers ask the guard, for somebody who subscribes first if that is allowed: many rules
// let subscribers do what others may not. A token for one subscription is good for that
// alone.
func (c *checkTokenCommand) answers(ctx context.Context, v *verdict) (all []channelAnswer) {
	r := access.Request{Who: v.who, Channel: c.Channel}
	if v.claims != nil && v.claims.Channel == c.Channel {
		return []channelAnswer{{"subscribe", nil}}
	}
	if v.claims != nil {
		return []channelAnswer{{"subscribe", fmt.Errorf("it is a token for one subscription, to %q", v.claims.Channel)}}
	}
	for action, name := range []string{"subscribe", "publish", "history", "presence"} {
		r.Action = access.Action(action)
		permit, err := v.guard.Allow(ctx, r)
		switch {
		case err == nil && r.Action == access.ReadHistory && permit.Rule.History.Size == 0:
			err = errors.New("the channel keeps no history")
		case err == nil && r.Action == access.ReadPresence && !permit.Rule.Presence:
			err = errors.New("the channel has no presence")
		}
		all = append(all, channelAnswer{name, err})
		r.Subscribed = all[0].err == nil
	}
	return all
}

// printObject prints a JSON object on a line of its own.
func printObject(w io.Writer, v map[string]any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
