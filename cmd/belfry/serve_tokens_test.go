package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
)

// TestTokenKeys reads keys as a server does, and says which is at fault.
func TestTokenKeys(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	file := writeFile(t, text)
	inLine := strings.ReplaceAll(strings.TrimSpace(text), "\n", `\n`)
	for name, c := range map[string]struct{ keys, want string }{
		"a file":            {fmt.Sprintf("[{name: a, algorithm: ES256, public_key: %s}]", file), ""},
		"in the variable":   {fmt.Sprintf("[{name: a, algorithm: ES256, public_key: '%s'}]", inLine), ""},
		"a secret":          {"[{name: a, algorithm: HS256, secret: hush-hush}]", ""},
		"a URL":             {"[{name: a, jwks: 'https://u:hush@h/k'}]", ""},
		"no such file":      {"[{name: a, algorithm: ES256, public_key: /nowhere}]", "BELFRY_TOKENS_KEYS: tokens.keys[0].public_key: want a PEM block, or a file that has one: open /nowhere"},
		"another file":      {fmt.Sprintf("[{name: a, algorithm: ES256, public_key: %s}]", writeFile(t, "hello")), "BELFRY_TOKENS_KEYS: tokens.keys[0].public_key: want a PEM block"},
		"a large file":      {fmt.Sprintf("[{name: a, algorithm: ES256, public_key: %s}]", writeFile(t, strings.Repeat("x", 70<<10))), "BELFRY_TOKENS_KEYS: tokens.keys[0].public_key: the file"},
		"another algorithm": {fmt.Sprintf("[{name: a, algorithm: HS256, secret: hush-hush}, {name: b, algorithm: RS256, public_key: %s}]", file), "BELFRY_TOKENS_KEYS: tokens.keys[1].algorithm: RS256 does not fit the public_key, which is for ES256"},
		"no algorithm":      {"[{name: a, secret: hush-hush}]", `BELFRY_TOKENS_KEYS: tokens.keys[0].algorithm: "": want one of HS256`},
	} {
		got := runConfig(t, []string{"BELFRY_TOKENS_KEYS=" + c.keys})
		bad := c.want != "" && !strings.HasPrefix(got.err, "belfry: "+c.want) || c.want == "" && got.code != 0
		if bad || strings.Contains(got.out+got.err, "hush") {
			t.Errorf("%s: got %+v, want %q, and no secret", name, got, c.want)
		}
	}
}
