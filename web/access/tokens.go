package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"belfry/web/fault"
	"belfry/web/token"
)

// What clients hear of tokens that are not accepted. The log has the rest.
var (
	errBadToken  = fault.New(fault.BadToken, "invalid token").With("WWW-Authenticate", `Bearer error="invalid_token", error_description="invalid token"`)
	errExpired   = fault.New(fault.ExpiredToken, "token expired").With("WWW-Authenticate", `Bearer error="invalid_token", error_description="token expired"`)
	errPremature = fault.New(fault.ExpiredToken, "token not valid yet").With("WWW-Authenticate", `Bearer error="invalid_token", error_description="token not valid yet"`)
	errOthers    = fault.New(fault.OthersToken, "token of another channel, user or client")
	errKeysAway  = fault.New(fault.Unavailable, "tokens cannot be checked now, try again")
)

// Credentials are by what clients may say who they are.
type Credentials struct {
	// Verifier checks tokens.
	Verifier *token.Verifier
	// Cookie names one that has a token; empty: none.
	Cookie string
	// Query lets a token stand in a URL.
	Query bool
}

// Tokens is the [Guard] that goes by rules and by tokens.
type Tokens struct {
	rules   Rules
	by      Credentials
	tickets *Tickets
	revoked *Revocations
	logger  *slog.Logger
}

// NewTokens makes one.
func NewTokens(rules Rules, by Credentials, tickets *Tickets, revoked *Revocations, logger *slog.Logger) *Tokens {
	return &Tokens{rules, by, tickets, revoked, logger}
}

// Connect implements [Guard]. Whoever shows nothing is anonymous.
func (g *Tokens) Connect(ctx context.Context, h Hello) (*Identity, error) {
	text, err := g.shown(ctx, h)
	if text == "" || err != nil {
		return nil, err
	}
	claims, err := g.verify(ctx, text)
	if err != nil {
		return nil, err
	}
	if claims.Channel != "" {
		return nil, fmt.Errorf("claim channel: it is a subscription token, and lets nobody connect: %w", errBadToken)
	}
	who, err := identityOf(claims)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadToken, err)
	}
	g.keepWithin(who)
	return who, nil
}

// proofOf is where an identity comes from by what a token says.
func proofOf(claims *token.Claims) Proof {
	return Proof{Key: claims.Key, ID: claims.ID, Issued: claims.Issued}
}

// verify checks a token, and words why it is not accepted.
func (g *Tokens) verify(ctx context.Context, text string) (*token.Claims, error) {
	claims, err := g.by.Verifier.Verify(ctx, text)
	if err == nil {
		if err = checkUser(claims.Subject); err == nil {
			return claims, g.revoked.Refusal(ctx, claims.Subject, proofOf(claims))
		}
	}
	public := errBadToken
	var why *token.Error
	if errors.As(err, &why) {
		public = map[token.Reason]*fault.Error{token.Bad: errBadToken, token.Expired: errExpired, token.Premature: errPremature, token.Away: errKeysAway}[why.Reason]
	}
	return nil, fmt.Errorf("%w: %w", public, err)
}

// maxUser is the longest ID of a user in bytes.
const maxUser = 255

func checkUser(id string) error {
	if len(id) > maxUser || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return fmt.Errorf("claim sub: has %d bytes; want at most %d of UTF-8, without control characters", len(id), maxUser)
	}
	return nil
}

// keepWithin takes what the key of a token may not grant from what the token says, and
// tells the log. What it does not take counts on no channel beyond either.
func (g *Tokens) keepWithin(who *Identity) {
	if who.Within == nil {
		return
	}
	var over []string
	joins := who.Joins[:0]
	for _, j := range who.Joins {
		if who.On(j.Channel) == nil {
			over = append(over, j.Channel)
			continue
		}
		joins = append(joins, j)
	}
	who.Joins = joins
	for _, grant := range who.Grants {
		for _, pattern := range grant.Patterns {
			if who.On(pattern) == nil && !grant.Regexp {
				over = append(over, pattern)
			}
		}
	}
	if len(over) > 0 {
		g.logger.Warn("a token names channels that its key may not grant", "key", who.Proof.Key, "user", who.User, "channel", over[0], "count", len(over))
	}
}

// Allow implements [Guard]. A token for the channel that is shown has to be good,
// whatever the rule asks for.
func (g *Tokens) Allow(ctx context.Context, r Request) (Permit, error) {
	if r.Token == "" || r.Who.isBackend() {
		return g.allow(ctx, r)
	}
	claims, err := g.verify(ctx, r.Token)
	if err != nil {
		return Permit{}, err
	}
	if err := isFor(claims, &r); err != nil {
		return Permit{}, err
	}
	info, err := infoOf("info", claims.Info, claims.B64Info)
	if err != nil {
		return Permit{}, fmt.Errorf("%w: %w", errBadToken, err)
	}
	r.Token, r.Granted = "", ActionsOf(Subscribe)|actionsOf(claims.Allow)
	p, err := g.allow(ctx, r)
	p.Until, p.Granted = claims.Until, r.Granted
	p.Token = &Identity{User: claims.Subject, Proof: proofOf(claims)}
	if info != nil {
		p.Info = info
	}
	return p, err
}

// allow asks the rules.
func (g *Tokens) allow(ctx context.Context, r Request) (Permit, error) {
	p, err := g.rules.Allow(ctx, r)
	if errors.Is(err, ErrPrivate) {
		public := errClientDenied
		if r.Who == nil {
			public = errNoToken
		}
		err = fmt.Errorf("the name of %.100q begins with $, and so it needs a token that names it: %w", r.Channel, public)
	}
	return p, err
}

// isFor wants a token to be for a channel, and for who shows it.
func isFor(claims *token.Claims, r *Request) error {
	user := ""
	if r.Who != nil {
		user = r.Who.User
	}
	switch {
	case claims.Channel == "":
		return fmt.Errorf("claim channel: is missing, and so it is no subscription token: %w", errOthers)
	case claims.Channel != r.Channel:
		return fmt.Errorf("claim channel: %.100q; it is shown for %.100q: %w", claims.Channel, r.Channel, errOthers)
	case claims.Subject != user:
		return fmt.Errorf("claim sub: %.100q; it is shown by user %.100q: %w", claims.Subject, user, errOthers)
	case claims.Client != "" && claims.Client != r.Client:
		return fmt.Errorf("claim client: %.100q; it is shown by client %s: %w", claims.Client, r.Client, errOthers)
	}
	within := Identity{Within: claims.Within}
	if within.On(r.Channel) == nil {
		return fmt.Errorf("it names %.100q, which the key %s may not grant: %w", r.Channel, claims.Key, errClientDenied)
	}
	return nil
}

// identityOf makes an identity of what a token says.
func identityOf(claims *token.Claims) (*Identity, error) {
	who := &Identity{User: claims.Subject, Until: claims.Until, Within: claims.Within,
		Proof: proofOf(claims)}
	var err error
	if who.Info, err = infoOf("info", claims.Info, claims.B64Info); err != nil {
		return nil, err
	}
	if who.Grants, err = grantsOf(claims); err != nil {
		return nil, err
	}
	who.Joins, err = joinsOf(claims)
	return who, err
}

// joinsOf are the channels that the server is to subscribe a client to: those of subs,
// or else those of channels.
func joinsOf(claims *token.Claims) (joins []Join, err error) {
	for channel, sub := range claims.Subs {
		j := Join{Channel: channel}
		if j.Info, err = infoOf("subs.info", sub.Info, sub.B64Info); err != nil {
			return nil, err
		}
		if j.Data, err = jsonOf("subs.data", sub.Data, sub.B64Data); err != nil {
			return nil, err
		}
		joins = append(joins, j)
	}
	if joins != nil {
		return joins, nil
	}
	named := make(map[string]bool)
	for _, channel := range claims.Channels {
		if !named[channel] {
			joins = append(joins, Join{Channel: channel})
		}
		named[channel] = true
	}
	return joins, nil
}

// infoOf is JSON that tells who somebody is, which may stand in base64.
func infoOf(claim string, text []byte, b64 string) ([]byte, error) {
	data, err := jsonOf(claim, text, b64)
	if err != nil {
		return nil, err
	}
	return Info("claim "+claim, data)
}

// jsonOf is JSON in compact form, which may stand in base64.
func jsonOf(claim string, text []byte, b64 string) ([]byte, error) {
	if b64 != "" {
		var err error
		if text, err = decodeBase64(b64); err != nil {
			return nil, fault.Field("claim "+claim, "its form in base64 is none")
		}
	}
	if len(text) == 0 {
		return nil, nil
	}
	data, err := fault.Compact(text)
	if err != nil {
		return nil, fault.Field("claim "+claim, err.Error())
	}
	return data, nil
}
