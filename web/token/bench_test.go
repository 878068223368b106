package token_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"belfry/web/token"
)

// BenchmarkVerify checks a token of the usual size.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			key := token.Key{Name: alg, Algorithm: alg, Secret: secret}
			var signer any = []byte(secret)
			if alg != "HS256" {
				key.Secret, key.PublicKey, signer = "", publicPEM(b, pairOf(alg)), pairs()[pairOf(alg)]
			}
			v := newVerifier(b, token.Options{Keys: []token.Key{key}})
			text := sign(b, alg, signer, jwt.MapClaims{"sub": "ada", "exp": soon(), "info": map[string]string{"name": "Ada"}})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
