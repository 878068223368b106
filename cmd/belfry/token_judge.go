package main

import (
	"context"
	"io"
	"log/slog"

	"belfry/configs"
	"belfry/hub"
	"belfry/web/access"
	"belfry/web/token"
)

// verdict is what a server would make of a token. Either who or claims is there when it is
// taken.
type verdict struct {
	said  token.Unverified // empty: it cannot be read
	err   error            // why it is not taken, in full; nil: it is
	guard access.Guard
	who   *access.Identity // of a token to connect with
	// claims are those of a token for one subscription; nil: it is another.
	claims *token.Claims
}

// judge asks the guard that belfry serve has. The logger is told what a server would
// log. Keys at URLs are fetched as the server does, which takes a moment; what was taken
// back is known to running servers only, and is not looked at.
func judge(ctx context.Context, config configs.Config, text string, logger *slog.Logger) (v verdict) {
	v.said, v.err = token.Read(text)
	ruleOf := access.Rules{For: hub.New(hub.Options{Rules: rules(config)}).Rule}
	by, err := credentials(config, logger)
	if err != nil || by == nil {
		v.guard, v.err = ruleOf, err
		if err == nil {
			v.err = errNoKeys
		}
		return v
	}
	ctx, cancel := context.WithCancel(ctx)
	running := make(chan struct{})
	go func() { defer close(running); by.Verifier.Run(ctx) }() // fetches keys at URLs
	defer func() { cancel(); <-running }()
	v.guard = access.NewTokens(ruleOf, *by, nil, nil, logger)
	claims, err := by.Verifier.Verify(ctx, text)
	if err == nil && claims.Channel != "" {
		v.claims = claims
		_, v.err = v.subscribe(ctx, text)
		return v
	}
	v.who, v.err = v.guard.Connect(ctx, access.Hello{Token: text})
	return v
}

// subscribe shows a token for one subscription, as the user and the client that it is for
// would: whose it is was not asked.
func (v *verdict) subscribe(ctx context.Context, text string) (access.Permit, error) {
	r := access.Request{Action: access.Subscribe, Channel: v.claims.Channel, Token: text, Client: v.claims.Client}
	if v.claims.Subject != "" {
		r.Who = &access.Identity{User: v.claims.Subject}
	}
	return v.guard.Allow(ctx, r)
}

// warner is a log for people: without time, and with warnings only.
func warner(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
}
