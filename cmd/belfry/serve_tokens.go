package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"belfry/configs"
	"belfry/web/access"
	"belfry/web/token"
)

// maxKeyFile is the largest file of a public key in bytes: a certificate with its chain
// has a tenth of that.
const maxKeyFile = 64 << 10

// credentials are by what clients say who they are; nil: by nothing. The error is a
// [configs.Fault], and names the key at fault. Files of public keys are read now, and
// keys at URLs are not fetched before the verifier runs: a server starts without them,
// and refuses for the time being whom it cannot check.
func credentials(config configs.Config, logger *slog.Logger) (*access.Credentials, error) {
	t := config.Tokens
	if len(t.Keys) == 0 {
		return nil, nil
	}
	o := token.Options{Issuer: t.Issuer, Audience: t.Audience, Leeway: time.Duration(t.Leeway), Endless: t.Endless, Logger: logger}
	for i, k := range t.Keys {
		public, err := publicKey(k.PublicKey)
		if err != nil {
			return nil, keyFault(config, i, "public_key", err.Error())
		}
		o.Keys = append(o.Keys, token.Key{Name: k.Name, Algorithm: k.Algorithm, Secret: k.Secret.Reveal(),
			PublicKey: public, JWKS: k.JWKS.Reveal(), Channels: k.Channels})
	}
	verifier, err := token.New(o)
	var bad *token.KeyError
	if errors.As(err, &bad) {
		field, problem, _ := strings.Cut(bad.Err.Error(), ": ")
		return nil, keyFault(config, bad.Index, field, problem)
	}
	return &access.Credentials{Verifier: verifier, Cookie: t.Cookie, Query: t.Query}, err
}

// keyFault says what is wrong with a field of one of the keys for tokens, and where in the
// configuration that stands.
func keyFault(config configs.Config, i int, field, problem string) error {
	key := fmt.Sprintf("tokens.keys[%d].%s", i, field)
	return configs.Fault{Place: config.Place(key), Key: key, Problem: problem}
}

// publicKey returns a key that is given in full, or reads the file that has it. The file
// is read once, as the server starts.
func publicKey(text string) (string, error) {
	if text == "" || strings.Contains(text, "-----BEGIN ") {
		return text, nil
	}
	f, err := os.Open(text)
	if err != nil {
		return "", fmt.Errorf("want a PEM block, or a file that has one: %w", err)
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("want a file that can be read: %w", err)
	case len(pem) > maxKeyFile:
		return "", fmt.Errorf("the file %s has more than %v; want one with a PEM block", text, configs.Size(maxKeyFile))
	}
	return string(pem), nil
}
