package token

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// slip is a secret that a backend may use by mistake in place of the one it was given.
type slip struct {
	secret []byte
	what   string // that it is, with a verb for the name of the key, and what to do
}

// slipsOf are the usual mistakes with a secret.
func slipsOf(text string) []slip {
	encoded, isBase64 := strings.CutPrefix(text, "base64:")
	slips := []slip{{[]byte(text + "\n"), "the secret of %.40q with a line break behind it: take that away in the backend"}}
	if trimmed := strings.TrimSpace(text); trimmed != text {
		slips = append(slips, slip{[]byte(trimmed), "the secret of %.40q without the white space around it: take that away here"})
	}
	if isBase64 {
		return append(slips,
			slip{[]byte(encoded), "the secret of %.40q as it stands in base64: decode it in the backend, or leave out base64: here"},
			slip{[]byte(text), "the secret of %.40q with the word base64: and all: leave that out in the backend, and decode the rest"})
	}
	if decoded, ok := fromBase64(text); ok {
		slips = append(slips, slip{decoded, "the secret of %.40q decoded from base64: write it as base64:…"})
	}
	if decoded, err := hex.DecodeString(text); err == nil {
		slips = append(slips, slip{decoded, "the secret of %.40q decoded from hexadecimal digits: write those bytes as base64:…"})
	}
	return slips
}

// hint tells of the mistake with a secret by which a signature came about, if it is one
// of the usual.
func (v *Verifier) hint(t *jwt.Token, signed string) string {
	for _, k := range v.keys {
		if k.Secret == "" || k.Algorithm != t.Method.Alg() {
			continue
		}
		for _, s := range slipsOf(k.Secret) {
			if len(s.secret) > 0 && t.Method.Verify(signed, t.Signature, s.secret) == nil {
				return "; it would be with " + fmt.Sprintf(s.what, k.Name)
			}
		}
	}
	return ""
}
