package token

import (
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// Sign makes a token of claims with the secret of a key. It is for trying things: a
// backend signs its tokens itself.
func Sign(k Key, claims map[string]any) (string, error) {
	if k.Secret == "" {
		return "", fmt.Errorf("the key %q has no secret: who has the private key of the pair signs, and nobody else", k.Name)
	}
	m, err := k.read()
	if err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.GetSigningMethod(k.Algorithm), jwt.MapClaims(claims)).SignedString(m.key)
}
