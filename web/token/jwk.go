package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
)

// maxKeys is how many keys of a document are looked at.
const maxKeys = 100

// jwk is one key of a document (RFC 7517, section 4; RFC 7518, section 6; RFC 8037).
type jwk struct {
	Type       string   `json:"kty"`
	ID         string   `json:"kid"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	Curve      string   `json:"crv"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
}

// readKeys reads the keys of a document, by their IDs. Those that are of no use here
// are left out: of another type, for another purpose, without an ID, too weak, or
// secret ones, which nobody should publish. An algorithm that is given is that of all.
func readKeys(document []byte, algorithm string) (map[string]material, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(document, &set) != nil {
		return nil, errors.New("it is no JSON object with keys")
	}
	keys := make(map[string]material)
	for _, text := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var k jwk
		if json.Unmarshal(text, &k) != nil || k.ID == "" {
			continue
		}
		if m, ok := k.material(algorithm); ok {
			keys[k.ID] = m
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no key of use here: of the type RSA, EC or OKP, with a kid, for signatures")
	}
	return keys, nil
}

// material is what signatures are checked with.
func (k *jwk) material(algorithm string) (material, bool) {
	if k.Use != "" && k.Use != "sig" || k.Operations != nil && !slices.Contains(k.Operations, "verify") {
		return material{}, false
	}
	key := k.public()
	if key == nil || checkPublic(key) != nil {
		return material{}, false
	}
	m := material{algorithmsOf(key), key}
	for _, bound := range []string{k.Algorithm, algorithm} {
		if bound == "" {
			continue
		}
		if !slices.Contains(m.algorithms, bound) {
			return material{}, false
		}
		m.algorithms = []string{bound}
	}
	return m, true
}

// public is the key itself, or nil.
func (k *jwk) public() any {
	switch k.Type {
	case "RSA":
		n, e := number(k.N), number(k.E)
		if n.BitLen() <= maxModulus && e.IsInt64() && e.Int64() > 2 && e.Int64() < 1<<31 && e.Bit(0) == 1 {
			return &rsa.PublicKey{N: n, E: int(e.Int64())}
		}
	case "EC":
		if key, err := k.ec(); err == nil {
			return key
		}
	case "OKP":
		if x := bytesOf(k.X); k.Curve == "Ed25519" && len(x) == ed25519.PublicKeySize {
			return ed25519.PublicKey(x)
		}
	}
	return nil
}

// ec is a point that lies on its curve.
func (k *jwk) ec() (*ecdsa.PublicKey, error) {
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
	if !ok {
		return nil, errors.New("crv: is not known")
	}
	size := (curve.Params().BitSize + 7) / 8
	x, y := bytesOf(k.X), bytesOf(k.Y)
	if len(x) != size || len(y) != size {
		return nil, errors.New("x and y: are of the wrong length")
	}
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
}

func bytesOf(text string) []byte {
	b, _ := base64.RawURLEncoding.DecodeString(text)
	return b
}

func number(text string) *big.Int { return new(big.Int).SetBytes(bytesOf(text)) }
