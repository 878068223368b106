package token_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"belfry/web/token"
)

// TestSlips names the usual mistakes with secrets, and shows none of them.
func TestSlips(t *testing.T) {
	raw := []byte("thirty-two random bytes, or more")
	for _, c := range []struct{ configured, used, want string }{
		{base64.StdEncoding.EncodeToString(raw), string(raw), `decoded from base64: write it as base64:…`},
		{"base64:" + base64.RawURLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), "as it stands in base64: decode it in the backend"},
		{"base64:" + base64.StdEncoding.EncodeToString(raw), "base64:" + base64.StdEncoding.EncodeToString(raw), "with the word base64: and all"},
		{hex.EncodeToString(raw), string(raw), "decoded from hexadecimal digits"},
		{string(raw), string(raw) + "\n", "with a line break behind it"},
		{string(raw) + "\n", string(raw), "without the white space around it"},
		{string(raw), "another secret altogether, not it", ""},
	} {
		v := newVerifier(t, token.Options{Keys: []token.Key{{Name: "main", Algorithm: "HS256", Secret: c.configured}}})
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(c.used))
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), text)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.want == "" && strings.Contains(err.Error(), ";") || strings.Contains(err.Error(), strings.TrimSpace(c.used)) {
			t.Errorf("%q for %q: got %v, want %q", c.used, c.configured, err, c.want)
		}
	}
}

// TestSign makes tokens that are good, and reads what a token says.
func TestSign(t *testing.T) {
	for _, algorithm := range []string{"HS256", "HS384", "HS512"} {
		k := token.Key{Name: "main", Algorithm: algorithm, Secret: "base64:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 64)))}
		text, err := token.Sign(k, map[string]any{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := newVerifier(t, token.Options{Keys: []token.Key{k}}).Verify(t.Context(), text)
		said, readErr := token.Read(text)
		if err != nil || readErr != nil || claims.Subject != "ada" || !strings.Contains(string(said.Claims), `"sub":"ada"`) || !strings.Contains(string(said.Header), algorithm) {
			t.Errorf("%s: got %+v, %v; it says %s %s, %v", algorithm, claims, err, said.Header, said.Claims, readErr)
		}
	}
	if _, err := token.Sign(token.Key{Name: "idp", Algorithm: "ES256", PublicKey: "x"}, nil); err == nil || !strings.Contains(err.Error(), "private key") {
		t.Errorf("with a public key: %v", err)
	}
	for _, text := range []string{"", "a.b", "e30.e30.x.y", "e30.W10.x", "bnVsbA.e30.x", "e30.e3.x", strings.Repeat("x", token.MaxLength+1)} {
		if said, err := token.Read(text); err == nil || said.Claims != nil {
			t.Errorf("%.20q: got %s, %v, want an error", text, said.Claims, err)
		}
	}
}
