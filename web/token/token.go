package token

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxLength is the longest token in bytes, inclusive.
const MaxLength = 16 << 10

// Options are what a Verifier is made of.
type Options struct {
	// Keys are those that tokens may be signed with, one or more: so keys are changed
	// without a moment in which tokens are refused.
	Keys []Key
	// Issuer and Audience are what iss has to be, and what aud has to have. Empty:
	// nobody looks.
	Issuer, Audience string
	// Leeway is how much clocks may differ.
	Leeway time.Duration
	// Endless accepts tokens without exp.
	Endless bool
	Logger  *slog.Logger // nil: discards
	// Transport fetches keys; nil: http.DefaultTransport. It is copied.
	Transport *http.Transport
}

// Verifier checks tokens. Its methods are safe for several goroutines.
type Verifier struct {
	o      Options
	keys   []staticKey
	sets   []*keySet
	parser *jwt.Parser
}

// staticKey is a key that does not change.
type staticKey struct {
	material
	*Key
}

// KeyError is what is wrong with a key.
type KeyError struct {
	Index int // in Options.Keys
	Err   error
}

func (e *KeyError) Error() string { return fmt.Sprintf("keys[%d].%v", e.Index, e.Err) }

// Unwrap returns what is wrong, which begins with the name of a field.
func (e *KeyError) Unwrap() error { return e.Err }

// New makes a verifier. [Verifier.Run] has to run for keys at URLs to be known. The
// error is a [KeyError].
func New(o Options) (*Verifier, error) {
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	o.Keys = slices.Clone(o.Keys)
	v := &Verifier{o: o, parser: jwt.NewParser(jwt.WithoutClaimsValidation())}
	for i := range o.Keys {
		k := &o.Keys[i]
		if err := v.add(k); err != nil {
			return nil, &KeyError{i, err}
		}
	}
	return v, nil
}

func (v *Verifier) add(k *Key) error {
	if k.JWKS != "" {
		set, err := newKeySet(k, v.o)
		v.sets = append(v.sets, set)
		return err
	}
	m, err := k.read()
	if secret, ok := m.key.([]byte); ok && err == nil && len(secret) < goodSecret {
		v.o.Logger.Warn("a secret for tokens is so short that it may be guessed", "key", k.Name, "bytes", len(secret), "want", goodSecret)
	}
	v.keys = append(v.keys, staticKey{m, k})
	return err
}

// Run fetches keys at URLs, and fetches them again, until the context ends.
func (v *Verifier) Run(ctx context.Context) {
	var fetching sync.WaitGroup
	for _, set := range v.sets {
		fetching.Go(func() { set.run(ctx) })
	}
	fetching.Wait()
}

// Verify checks a token, and waits for keys if it has to. Its errors are of the type
// [Error].
func (v *Verifier) Verify(ctx context.Context, text string) (*Claims, error) {
	if len(text) > MaxLength {
		return nil, errorf(Bad, "it has %d bytes; want at most %d", len(text), MaxLength)
	}
	var p payload
	t, parts, err := v.parser.ParseUnverified(text, &p)
	if err == nil {
		err = checkHeader(t.Header)
	} else {
		err = malformed(t, err)
	}
	if err != nil {
		return nil, err
	}
	k, err := v.signer(ctx, t, parts[0]+"."+parts[1])
	if err != nil {
		return nil, err
	}
	if err := v.check(&p); err != nil {
		return nil, err
	}
	return &Claims{Key: k.Name, Within: k.Channels, Subject: p.Subject, ID: p.ID, Issued: moment(p.Issued), Until: p.until(), Said: p.Said}, nil
}

// malformed says what of a token cannot be read. The library's own words may show parts
// of it.
func malformed(t *jwt.Token, err error) error {
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable) && t != nil:
		return errorf(Bad, "header alg: %.40q is no algorithm that is accepted", fmt.Sprint(t.Header["alg"]))
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return errorf(Bad, "claim %.40s: is of another type than it should be", strings.TrimPrefix(wrongType.Field, "Said."))
	case errors.Is(err, jwt.ErrInvalidType):
		return errorf(Bad, "claim aud: want a string, or a list of strings")
	}
	return errorf(Bad, "it is no JSON Web Token of three parts in base64url")
}

// checkHeader refuses what nobody should rely on: extensions that have to be understood
// (RFC 7515, section 4.1.11), keys that the token brings itself, and tokens in tokens.
func checkHeader(header map[string]any) error {
	for _, name := range []string{"crit", "jwk", "jku", "x5u", "x5c", "zip", "enc"} {
		if _, ok := header[name]; ok {
			return errorf(Bad, "header %s: is not accepted", name)
		}
	}
	for name, accepted := range map[string][]string{"typ": {"jwt", "at+jwt", "application/at+jwt"}, "cty": {}} {
		text, isText := header[name].(string)
		if header[name] != nil && !(isText && slices.Contains(accepted, strings.ToLower(text))) {
			return errorf(Bad, "header %s: %.40q is not accepted", name, fmt.Sprint(header[name]))
		}
	}
	return nil
}

// signer returns the key that has signed a token.
func (v *Verifier) signer(ctx context.Context, t *jwt.Token, signed string) (*Key, error) {
	alg := t.Method.Alg()
	fits := false
	for _, k := range v.keys {
		if !slices.Contains(k.algorithms, alg) {
			continue
		}
		fits = true
		if t.Method.Verify(signed, t.Signature, k.key) == nil {
			return k.Key, nil
		}
	}
	kid, _ := t.Header["kid"].(string)
	var err error
	for _, set := range v.sets {
		if strings.HasPrefix(alg, "HS") || fits && kid == "" {
			break // keys at URLs are public ones, and have IDs
		}
		k, setErr := set.signer(ctx, t, signed, kid)
		if setErr == nil {
			return k, nil
		}
		err = worse(err, setErr)
	}
	switch {
	case err != nil:
		return nil, err
	case !fits:
		return nil, errorf(Bad, "header alg: %s is the algorithm of none of the keys%s", alg, v.algorithms())
	}
	return nil, errorf(Bad, "the signature is none of the keys'%s", v.hint(t, signed))
}

// worse prefers the error that leaves more open.
func worse(a, b error) error {
	var away *Error
	if errors.As(a, &away) && away.Reason == Away {
		return a
	}
	return b
}

// algorithms says which algorithms the keys are for that do not change.
func (v *Verifier) algorithms() string {
	var all []string
	for _, k := range v.keys {
		all = append(all, k.algorithms...)
	}
	if all == nil {
		return ""
	}
	slices.Sort(all)
	return ", which are for " + strings.Join(slices.Compact(all), ", ")
}

// check looks at the claims of a token that is signed as it should be.
func (v *Verifier) check(p *payload) error {
	if err := p.checkTimes(); err != nil {
		return err
	}
	now, leeway := time.Now(), v.o.Leeway
	switch {
	case v.o.Audience != "" && !slices.Contains(p.Audience, v.o.Audience):
		return errorf(Bad, "claim aud: %.200q; want %q (tokens.audience)", []string(p.Audience), v.o.Audience)
	case v.o.Issuer != "" && p.Issuer != v.o.Issuer:
		return errorf(Bad, "claim iss: %.200q; want %q (tokens.issuer)", p.Issuer, v.o.Issuer)
	case p.Expires == nil && !v.o.Endless:
		return errorf(Bad, "claim exp: is missing, and so it would never expire; tokens.endless accepts that")
	case p.ExpireAt != nil && *p.ExpireAt > 0 && now.After(moment(p.ExpireAt).Add(leeway)):
		return errorf(Expired, "claim expire_at: it ended %v ago", now.Sub(moment(p.ExpireAt)).Round(time.Second))
	case p.Expires != nil && now.After(moment(p.Expires).Add(leeway)):
		return errorf(Expired, "claim exp: it expired %v ago", now.Sub(moment(p.Expires)).Round(time.Second))
	case p.NotBefore != nil && now.Add(leeway).Before(moment(p.NotBefore)):
		return errorf(Premature, "claim nbf: it is good in %v only; the clocks of the backend and of this machine may differ", time.Until(moment(p.NotBefore)).Round(time.Second))
	}
	return nil
}
