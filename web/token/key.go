package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Key is one that tokens may be signed with. It has a Secret, a PublicKey, or a JWKS.
type Key struct {
	Name string // for people
	// Algorithm is the one that the key is for, as in RFC 7518, section 3.1: HS256,
	// RS256, PS256, ES256, EdDSA and so on. Of a JWKS it is that of all of its keys;
	// empty: what each key says, or any that its type is for.
	Algorithm string
	// Secret is for the algorithms that begin with HS: its bytes as they are, or
	// behind "base64:" in base64, of either alphabet.
	Secret string
	// PublicKey is a PEM block of a public key or a certificate. Line breaks may be
	// written as \n.
	PublicKey string
	// JWKS is the URL of keys (RFC 7517, section 5), which change.
	JWKS string
	// Channels are patterns of all channels on which tokens of the key count. Nil:
	// they count on all.
	Channels []string
}

// Algorithms are those that a key may be for.
func Algorithms() []string {
	return []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// curves are those of the algorithms that begin with ES (RFC 7518, section 3.4).
var curves = map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}

const (
	// minModulus and maxModulus bound RSA keys, in bits: smaller ones are too weak (RFC
	// 7518, section 3.3), and larger ones too dear.
	minModulus, maxModulus = 2048, 8192
	// goodSecret is how many bytes a secret has that nobody can guess, of random ones.
	goodSecret = 32
)

// material is what signatures are checked with, by an algorithm.
type material struct {
	algorithms []string // that it is for
	key        any      // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// read makes what signatures are checked with. Its errors name the field, and show no
// secret.
func (k *Key) read() (material, error) {
	m := material{algorithms: []string{k.Algorithm}}
	if !slices.Contains(Algorithms(), k.Algorithm) {
		return m, fmt.Errorf("algorithm: %.20q: want one of %s", k.Algorithm, strings.Join(Algorithms(), ", "))
	}
	if hmac := strings.HasPrefix(k.Algorithm, "HS"); hmac != (k.Secret != "") {
		return m, fmt.Errorf("algorithm: %s wants a %s", k.Algorithm, map[bool]string{true: "secret", false: "public_key"}[hmac])
	}
	if k.Secret != "" {
		secret, err := readSecret(k.Secret)
		m.key = secret
		return m, err
	}
	public, err := readPEM(k.PublicKey)
	if err != nil {
		return m, fmt.Errorf("public_key: %w", err)
	}
	if fits := algorithmsOf(public); !slices.Contains(fits, k.Algorithm) {
		return m, fmt.Errorf("algorithm: %s does not fit the public_key, which is for %s", k.Algorithm, strings.Join(fits, ", "))
	}
	m.key = public
	return m, checkPublic(public)
}

func readSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, "base64:")
	if !ok {
		return []byte(text), nil
	}
	secret, ok := fromBase64(encoded)
	if !ok || len(secret) == 0 {
		return nil, errors.New("secret: base64 is wanted behind base64:, and nothing else")
	}
	return secret, nil
}

// fromBase64 reads either alphabet, with padding or without.
func fromBase64(text string) ([]byte, bool) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	decoded, err := base64.RawStdEncoding.DecodeString(text)
	return decoded, err == nil
}

// readPEM reads a public key.
func readPEM(text string) (crypto.PublicKey, error) {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("want a PEM block, with -----BEGIN PUBLIC KEY----- in a line of its own")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, errors.New("is a private key, which is to stay with the backend: want the public one of the pair")
	}
	return nil, fmt.Errorf("is a PEM block of the type %.40q; want PUBLIC KEY", block.Type)
}

// algorithmsOf are those that a public key is for.
func algorithmsOf(key crypto.PublicKey) []string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	case *ecdsa.PublicKey:
		for name, curve := range curves {
			if key.Curve == curve {
				return []string{name}
			}
		}
	}
	return []string{"nothing here"}
}

// checkPublic refuses keys that are too weak, or too dear.
func checkPublic(key crypto.PublicKey) error {
	if rsaKey, ok := key.(*rsa.PublicKey); ok {
		bits := rsaKey.N.BitLen()
		if bits < minModulus || bits > maxModulus {
			return fmt.Errorf("public_key: has %d bits; want %d to %d", bits, minModulus, maxModulus)
		}
	}
	return nil
}
