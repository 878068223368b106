package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/cmd/internal/load"
	"belfry/configs"
	"belfry/web/token"
)

// TestWithUsers makes configurations and tokens that fit.
func TestWithUsers(t *testing.T) {
	for _, algorithm := range []string{"HS256", "ES256"} {
		p := &programs{dir: t.TempDir()}
		p, tokens, err := p.withUsers(algorithm, 2)
		if err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(p.config, nil)
		if err != nil {
			t.Fatal(err)
		}
		k := c.Tokens.Keys[0]
		v, err := token.New(token.Options{Keys: []token.Key{{Name: k.Name, Algorithm: k.Algorithm, Secret: k.Secret.Reveal(), PublicKey: k.PublicKey}}})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := v.Verify(t.Context(), tokens[1])
		if err != nil || claims.Subject != userID(1) || claims.ID != claims.Subject || claims.Until.IsZero() {
			t.Errorf("%s: got %+v, %v", algorithm, claims, err)
		}
	}
}

func TestLatencyOf(t *testing.T) {
	if diff := cmp.Diff(&load.Latency{P50: 2, P90: 4, P99: 4, P999: 4, Max: 4}, latencyOf([]float64{3, 1, 2, 4})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if latencyOf(nil) != nil {
		t.Error("a latency of nothing")
	}
}
