package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// numUsers is how many users there are, each with a token.
const numUsers = 10_000

// asUsers loads a server that knows users with belfry bench, whose connections have a
// token each. The key is a new one each time. An older Belfry must know users too.
func asUsers(algorithm string) func(context.Context, *programs, variant) (*report, error) {
	return func(ctx context.Context, p *programs, v variant) (*report, error) {
		p, tokens, err := p.withUsers(algorithm, numUsers)
		if err != nil {
			return nil, err
		}
		file := p.path(algorithm + ".tokens")
		if err := os.WriteFile(file, []byte(strings.Join(tokens, "\n")), 0o600); err != nil {
			return nil, err
		}
		v.server, v.flags = "belfry", with(v.flags, "--tokens", file)
		return loadServer(ctx, p, v)
	}
}

// userID is that of the i-th user, and of its token.
func userID(i int) string { return "user-" + strconv.Itoa(i) }

// withUsers is a copy whose servers know users by tokens of a new key, beside the tokens
// of so many users. Subscribing needs one, since no rule says who may. They say what
// tokens of most sites do: who it is, until when, since when, and their own ID.
func (p *programs) withUsers(algorithm string, n int) (*programs, []string, error) {
	private, entry, err := newKey(algorithm)
	if err != nil {
		return nil, nil, err
	}
	q := *p
	q.config = p.path(algorithm + ".yaml")
	text := config + fmt.Sprintf("tokens: {keys: [{name: main, algorithm: %s, %s}]}\n", algorithm, entry)
	if err := os.WriteFile(q.config, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	tokens := make([]string, n)
	for i := range tokens {
		claims := jwt.MapClaims{"sub": userID(i), "jti": userID(i), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
		if tokens[i], err = jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), claims).SignedString(private); err != nil {
			return nil, nil, err
		}
	}
	return &q, tokens, nil
}

// newKey makes a key that signs, and what the configuration says of it: a secret for
// HS256, or else the public key of the curve P-256 in PEM.
func newKey(algorithm string) (private any, entry string, err error) {
	if algorithm == "HS256" {
		secret := rand.Text() + rand.Text()
		return []byte(secret), "secret: " + secret, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	return key, "public_key: " + strconv.Quote(string(text)), err
}
