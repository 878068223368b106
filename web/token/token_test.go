package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"belfry/hub/hubtest"
	"belfry/web/token"
)

func TestMain(m *testing.M) { hubtest.Main(m) }

const secret = "a secret of thirty-two bytes, or so"

// pairs are keys of each type, made once.
var pairs = sync.OnceValue(func() map[string]crypto.Signer {
	all := make(map[string]crypto.Signer)
	all["RSA"], _ = rsa.GenerateKey(rand.Reader, 2048)
	all["ES256"], _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	all["ES384"], _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	all["ES512"], _ = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, all["EdDSA"], _ = ed25519.GenerateKey(rand.Reader)
	return all
})

// publicPEM is the public key of a pair.
func publicPEM(t testing.TB, pair string) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pairs()[pair].Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// pairOf is which pair an algorithm is for.
func pairOf(alg string) string {
	if strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS") {
		return "RSA"
	}
	return alg
}

// sign makes a token, with more in its header.
func sign(t testing.TB, alg string, key any, claims jwt.MapClaims, header ...any) string {
	t.Helper()
	tk := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	for i := 0; i+1 < len(header); i += 2 {
		tk.Header[header[i].(string)] = header[i+1]
	}
	text, err := tk.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// soon is in an hour, as a claim.
func soon() int64 { return time.Now().Add(time.Hour).Unix() }

func newVerifier(t testing.TB, o token.Options) *token.Verifier {
	t.Helper()
	if o.Keys == nil {
		o.Keys = []token.Key{{Name: "main", Algorithm: "HS256", Secret: secret}}
	}
	v, err := token.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// refused wants a token not to be accepted, for a reason, with a text that has a part
// and nothing secret.
func refused(t testing.TB, v *token.Verifier, text string, reason token.Reason, part string) {
	t.Helper()
	claims, err := v.Verify(t.Context(), text)
	var e *token.Error
	if !errors.As(err, &e) || claims != nil {
		t.Fatalf("it is accepted: %+v, %v", claims, err)
	}
	if e.Reason != reason || !strings.Contains(e.Detail, part) {
		t.Errorf("got reason %d, %q; want %d, %q", e.Reason, e.Detail, reason, part)
	}
	if strings.Contains(e.Detail, secret) || len(text) > 20 && strings.Contains(e.Detail, text[len(text)-20:]) || len(e.Detail) > 700 {
		t.Errorf("it shows too much: %q", e.Detail)
	}
}

// TestAlgorithms takes tokens of each algorithm, by the key that is bound to it, and of
// no other algorithm, whatever else the key could be used for.
func TestAlgorithms(t *testing.T) {
	var keys []token.Key
	private := make(map[string]any)
	for _, alg := range token.Algorithms() {
		if strings.HasPrefix(alg, "HS") {
			private[alg] = []byte(secret + alg)
			keys = append(keys, token.Key{Name: alg, Algorithm: alg, Secret: secret + alg})
			continue
		}
		private[alg] = pairs()[pairOf(alg)]
		keys = append(keys, token.Key{Name: alg, Algorithm: alg, PublicKey: publicPEM(t, pairOf(alg))})
	}
	all := newVerifier(t, token.Options{Keys: keys})
	for i, alg := range token.Algorithms() {
		text := sign(t, alg, private[alg], jwt.MapClaims{"sub": "ada", "exp": soon()})
		claims, err := all.Verify(t.Context(), text)
		if err != nil || claims.Subject != "ada" || claims.Key != alg {
			t.Errorf("%s: %+v, %v", alg, claims, err)
		}
		others := append(append([]token.Key(nil), keys[:i]...), keys[i+1:]...)
		refused(t, newVerifier(t, token.Options{Keys: others}), text, token.Bad, "header alg: "+alg+" is the algorithm of none of the keys")
		refused(t, all, text[:len(text)-6]+"AAAAAA", token.Bad, "the signature is none of the keys'")
	}
}

// TestConfusion has somebody who knows all public keys, and no other, sign with them.
func TestConfusion(t *testing.T) {
	public := publicPEM(t, "RSA")
	der, _ := x509.MarshalPKIXPublicKey(pairs()["RSA"].Public())
	v := newVerifier(t, token.Options{Keys: []token.Key{
		{Name: "rsa", Algorithm: "RS256", PublicKey: public},
		{Name: "other", Algorithm: "HS512", Secret: secret},
	}})
	claims := jwt.MapClaims{"sub": "root", "exp": soon()}
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		for name, key := range map[string][]byte{"PEM": []byte(public), "trimmed PEM": []byte(strings.TrimSpace(public)), "DER": der, "nothing": {}} {
			t.Run(alg+" with "+name, func(t *testing.T) { refused(t, v, sign(t, alg, key, claims), token.Bad, "") })
		}
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "HS1", "RS256 ", "rs256", "ES256K"} {
		header := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"typ":"JWT"}`, alg))
		body := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"sub":"root","exp":%d}`, soon()))
		for _, signature := range []string{"", "AAAA"} {
			refused(t, v, header+"."+body+"."+signature, token.Bad, "header alg: ")
		}
	}
	none := sign(t, "none", jwt.UnsafeAllowNoneSignatureType, claims)
	refused(t, v, none, token.Bad, "header alg: none")
	refused(t, v, sign(t, "PS256", pairs()["RSA"], claims), token.Bad, "header alg: PS256") // the right key, another algorithm
}

// TestHeader refuses headers by which a token says itself how it is to be checked.
func TestHeader(t *testing.T) {
	v := newVerifier(t, token.Options{})
	claims := jwt.MapClaims{"sub": "ada", "exp": soon()}
	for _, h := range [][]any{
		{"crit", []string{"exp"}}, {"crit", []string{}}, {"jwk", map[string]string{"kty": "oct", "k": "AA"}}, {"jku", "http://evil.example"},
		{"x5u", "http://evil.example"}, {"x5c", []string{"AA"}}, {"zip", "DEF"}, {"enc", "A128GCM"}, {"cty", "JWT"}, {"typ", "dpop+jwt"}, {"typ", 1},
	} {
		refused(t, v, sign(t, "HS256", []byte(secret), claims, h...), token.Bad, fmt.Sprintf("header %s: ", h[0]))
	}
	for _, typ := range []any{"JWT", "jwt", "at+jwt", "application/at+jwt", nil} {
		if _, err := v.Verify(t.Context(), sign(t, "HS256", []byte(secret), claims, "typ", typ, "kid", "any")); err != nil {
			t.Errorf("typ %v: %v", typ, err)
		}
	}
}

// TestClaims accepts what is good, and says what is not.
func TestClaims(t *testing.T) {
	now := time.Now()
	in := func(d time.Duration) float64 { return float64(now.Add(d).UnixMilli()) / 1000 }
	strict := token.Options{Issuer: "site", Audience: "belfry", Leeway: 5 * time.Second}
	for name, c := range map[string]struct {
		options token.Options
		claims  jwt.MapClaims
		reason  token.Reason
		want    string // empty: it is good
	}{
		"good":                             {strict, jwt.MapClaims{"sub": "ada", "exp": soon(), "iss": "site", "aud": "belfry", "iat": in(0), "nbf": in(0), "jti": "x"}, 0, ""},
		"one audience of several":          {strict, jwt.MapClaims{"exp": soon(), "iss": "site", "aud": []string{"a", "belfry"}}, 0, ""},
		"no audience":                      {strict, jwt.MapClaims{"exp": soon(), "iss": "site"}, token.Bad, `claim aud: []; want "belfry" (tokens.audience)`},
		"another audience":                 {strict, jwt.MapClaims{"exp": soon(), "iss": "site", "aud": "belfry2"}, token.Bad, `claim aud: ["belfry2"]; want "belfry"`},
		"an audience of no text":           {strict, jwt.MapClaims{"exp": soon(), "iss": "site", "aud": 7}, token.Bad, "claim aud: want a string"},
		"another issuer":                   {strict, jwt.MapClaims{"exp": soon(), "iss": "evil", "aud": "belfry"}, token.Bad, `claim iss: "evil"; want "site" (tokens.issuer)`},
		"no issuer":                        {strict, jwt.MapClaims{"exp": soon(), "aud": "belfry"}, token.Bad, `claim iss: ""; want "site"`},
		"any issuer":                       {token.Options{}, jwt.MapClaims{"exp": soon(), "iss": "x", "aud": "y"}, 0, ""},
		"no end":                           {token.Options{}, jwt.MapClaims{"sub": "ada"}, token.Bad, "claim exp: is missing"},
		"no end, which is allowed":         {token.Options{Endless: true}, jwt.MapClaims{"sub": "ada"}, 0, ""},
		"null for an end":                  {token.Options{}, jwt.MapClaims{"exp": nil}, token.Bad, "claim exp: is missing"},
		"expired":                          {token.Options{}, jwt.MapClaims{"exp": in(-time.Minute)}, token.Expired, "claim exp: it expired 1m0s ago"},
		"what it is for is over":           {token.Options{}, jwt.MapClaims{"exp": soon(), "expire_at": in(-time.Minute)}, token.Expired, "claim expire_at: it ended 1m0s ago"},
		"expired, where no end is allowed": {token.Options{Endless: true}, jwt.MapClaims{"exp": in(-time.Minute)}, token.Expired, "claim exp: "},
		"expired within the leeway":        {token.Options{Leeway: time.Minute}, jwt.MapClaims{"exp": in(-30 * time.Second)}, 0, ""},
		"expired beyond the leeway":        {token.Options{Leeway: time.Second}, jwt.MapClaims{"exp": in(-30 * time.Second)}, token.Expired, ""},
		"not yet":                          {token.Options{}, jwt.MapClaims{"exp": soon(), "nbf": in(time.Minute)}, token.Premature, "claim nbf: it is good in 1m0s only; the clocks"},
		"not yet within the leeway":        {token.Options{Leeway: 2 * time.Minute}, jwt.MapClaims{"exp": soon(), "nbf": in(time.Minute)}, 0, ""},
		"issued tomorrow":                  {token.Options{}, jwt.MapClaims{"exp": soon(), "iat": in(24 * time.Hour)}, 0, ""},
		"milliseconds":                     {token.Options{}, jwt.MapClaims{"exp": now.Add(time.Hour).UnixMilli()}, token.Bad, "claim exp: is after the year 2100: it seems to be in milliseconds"},
		"milliseconds of issue":            {token.Options{}, jwt.MapClaims{"exp": soon(), "iat": now.UnixMilli()}, token.Bad, "claim iat: is after the year 2100: it seems to be in milliseconds"},
		"milliseconds of begin":            {token.Options{}, jwt.MapClaims{"exp": soon(), "nbf": now.UnixMilli()}, token.Bad, "claim nbf: is after the year 2100: it seems to be in milliseconds"},
		"milliseconds of the connection":   {token.Options{}, jwt.MapClaims{"exp": soon(), "expire_at": now.UnixMilli()}, token.Bad, "claim expire_at: is after the year 2100"},
		"an end without end":               {token.Options{}, jwt.MapClaims{"exp": 1e300}, token.Bad, "claim exp: is after the year 2100"},
		"an end before 1970":               {token.Options{}, jwt.MapClaims{"exp": -1}, token.Bad, "claim exp: is negative"},
		"an end in text":                   {token.Options{}, jwt.MapClaims{"exp": "4000000000"}, token.Bad, "claim exp: is of another type"},
		"a number for a user":              {token.Options{}, jwt.MapClaims{"sub": 42, "exp": soon()}, token.Bad, "claim sub: is of another type"},
		"a list for a user":                {token.Options{}, jwt.MapClaims{"sub": []string{"ada"}, "exp": soon()}, token.Bad, "claim sub: is of another type"},
		"a text for channels":              {token.Options{}, jwt.MapClaims{"channels": "news", "exp": soon()}, token.Bad, "claim channels: is of another type"},
		"a list for grants":                {token.Options{}, jwt.MapClaims{"belfry": []string{"news"}, "exp": soon()}, token.Bad, "claim belfry: is of another type"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, c.options)
			text := sign(t, "HS256", []byte(secret), c.claims)
			if c.want != "" || c.reason != 0 {
				refused(t, v, text, c.reason, c.want)
			} else if _, err := v.Verify(t.Context(), text); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWhatItSays returns everything that a token can say.
func TestWhatItSays(t *testing.T) {
	v := newVerifier(t, token.Options{Keys: []token.Key{{Name: "main", Algorithm: "HS256", Secret: secret, Channels: []string{"team:*"}}}})
	end := soon()
	claims, err := v.Verify(t.Context(), sign(t, "HS256", []byte(secret), jwt.MapClaims{
		"sub": "ada", "exp": end, "iat": end - 10, "jti": "T1", "info": map[string]int{"a": 1}, "b64info": "e30=", "channels": []string{"a"},
		"subs":    map[string]any{"b": map[string]any{"info": 1, "data": 2, "override": map[string]any{"presence": map[string]bool{"value": true}}}},
		"channel": "c", "client": "C", "allow": []string{"pub"}, "meta": 3,
		"caps": []any{map[string]any{"channels": []string{"d"}, "match": "wildcard", "allow": []string{"sub"}}}, "belfry": map[string]any{"subscribe": []string{"e"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if claims.Key != "main" || claims.Within[0] != "team:*" || claims.Subject != "ada" || claims.ID != "T1" || claims.Issued.Unix() != end-10 || claims.Until.Unix() != end ||
		string(claims.Info) != `{"a":1}` || claims.B64Info != "e30=" || claims.Channels[0] != "a" || string(claims.Subs["b"].Info) != "1" || string(claims.Subs["b"].Data) != "2" ||
		claims.Channel != "c" || claims.Client != "C" || claims.Allow[0] != "pub" || string(claims.Meta) != "3" || claims.Caps[0].Match != "wildcard" || claims.Belfry["subscribe"][0] != "e" {
		t.Errorf("got %+v", claims)
	}
	for at, want := range map[int64]int64{0: time.Time{}.Unix(), end + 99: end + 99} {
		claims, err := v.Verify(t.Context(), sign(t, "HS256", []byte(secret), jwt.MapClaims{"exp": end, "expire_at": at}))
		if err != nil || claims.Until.Unix() != want {
			t.Errorf("expire_at %d: until %v, %v", at, claims.Until, err)
		}
	}
}

// TestMalformed refuses what is no token.
func TestMalformed(t *testing.T) {
	v := newVerifier(t, token.Options{})
	good := sign(t, "HS256", []byte(secret), jwt.MapClaims{"exp": soon()})
	long := sign(t, "HS256", []byte(secret), jwt.MapClaims{"exp": soon(), "x": strings.Repeat("x", 48<<10)})
	nested := sign(t, "HS256", []byte(secret), jwt.MapClaims{"exp": soon()}, "cty", "JWT")
	for name, text := range map[string]string{
		"nothing": "", "dots": "..", "many dots": strings.Repeat(".", 1000), "two parts": good[:strings.LastIndex(good, ".")], "five parts": good + ".x.y",
		"spaces": " " + good, "padded": good + "=", "not base64": strings.Replace(good, "e", "!", 1), "64 KiB": long, "nested": nested,
		"null": "bnVsbA.bnVsbA.", "a null header": "bnVsbA" + good[strings.Index(good, "."):], "not JSON": "e30.AAAA.AAAA", "a list": "W10.W10.AAAA",
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, text, token.Bad, "") })
	}
	refused(t, v, long, token.Bad, "want at most 16384")
}

// TestRotation takes tokens of the old key and of the new one, and says where a secret
// was meant in base64.
func TestRotation(t *testing.T) {
	decoded := []byte("\x00\x01binary, of thirty-two bytes or more\xff")
	encoded := base64.StdEncoding.EncodeToString(decoded)
	v := newVerifier(t, token.Options{Keys: []token.Key{{Name: "old", Algorithm: "HS256", Secret: secret}, {Name: "new", Algorithm: "HS256", Secret: encoded}}})
	claims := jwt.MapClaims{"exp": soon()}
	for name, key := range map[string]string{"old": secret, "new": encoded} {
		if c, err := v.Verify(t.Context(), sign(t, "HS256", []byte(key), claims)); err != nil || c.Key != name {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	text := sign(t, "HS256", decoded, claims)
	refused(t, v, text, token.Bad, `with the secret of "new" decoded from base64`)
	url := base64.RawURLEncoding.EncodeToString(decoded)
	if _, err := newVerifier(t, token.Options{Keys: []token.Key{{Algorithm: "HS256", Secret: "base64:" + url}}}).Verify(t.Context(), text); err != nil {
		t.Error(err)
	}
}

// TestKeys wants keys to fit their algorithm, and to be strong enough.
func TestKeys(t *testing.T) {
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	rsaKey := pairs()["RSA"].Public().(*rsa.PublicKey)
	private, _ := x509.MarshalPKCS8PrivateKey(pairs()["RSA"])
	for name, c := range map[string]struct {
		key  token.Key
		want string
	}{
		"PKCS 1":            {token.Key{Algorithm: "RS256", PublicKey: block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(rsaKey))}, ""},
		"in one line":       {token.Key{Algorithm: "ES256", PublicKey: strings.ReplaceAll(publicPEM(t, "ES256"), "\n", `\n`)}, ""},
		"another curve":     {token.Key{Algorithm: "ES256", PublicKey: publicPEM(t, "ES384")}, "algorithm: ES256 does not fit the public_key, which is for ES384"},
		"another type":      {token.Key{Algorithm: "RS256", PublicKey: publicPEM(t, "EdDSA")}, "algorithm: RS256 does not fit the public_key, which is for EdDSA"},
		"a secret for RSA":  {token.Key{Algorithm: "RS256", Secret: secret}, "algorithm: RS256 wants a public_key"},
		"PEM for HMAC":      {token.Key{Algorithm: "HS256", PublicKey: publicPEM(t, "RSA")}, "algorithm: HS256 wants a secret"},
		"no algorithm":      {token.Key{Secret: secret}, `algorithm: "": want one of HS256`},
		"none":              {token.Key{Algorithm: "none", Secret: secret}, `algorithm: "none": want one of`},
		"a small one":       {token.Key{Algorithm: "RS256", PublicKey: block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&small.PublicKey))}, "public_key: has 1024 bits; want 2048 to 8192"},
		"a private one":     {token.Key{Algorithm: "RS256", PublicKey: block("PRIVATE KEY", private)}, "public_key: is a private key"},
		"no PEM":            {token.Key{Algorithm: "RS256", PublicKey: "AAAA"}, "public_key: want a PEM block"},
		"bad base64":        {token.Key{Algorithm: "HS256", Secret: "base64:!"}, "secret: base64 is wanted"},
		"empty base64":      {token.Key{Algorithm: "HS256", Secret: "base64:"}, "secret: base64 is wanted"},
		"no URL":            {token.Key{JWKS: "keys.json"}, "jwks: want https://"},
		"a secret's at URL": {token.Key{JWKS: "https://h/k", Algorithm: "HS256"}, `algorithm: "HS256": want that of public keys`},
	} {
		_, err := token.New(token.Options{Keys: []token.Key{c.key}})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "keys[0]."+c.want) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	log := &hubtest.Log{}
	newVerifier(t, token.Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Keys: []token.Key{{Name: "weak", Algorithm: "HS256", Secret: "hush-hush"}}})
	if got := log.String(); !strings.Contains(got, "so short that it may be guessed") || strings.Contains(got, "hush") {
		t.Errorf("a short secret: %s", got)
	}
}
