package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"

	"belfry/hub/hubtest"
)

// keyServer has the public keys of a backend, for whoever knows the password.
type keyServer struct {
	*httptest.Server
	pairs map[string]*ecdsa.PrivateKey // not changed

	mu        sync.Mutex // guards what follows
	published []string
}

// newKeyServer starts one that publishes the key "old".
func newKeyServer(t *testing.T) *keyServer {
	t.Helper()
	k := &keyServer{pairs: make(map[string]*ecdsa.PrivateKey), published: []string{"old"}}
	for _, kid := range []string{"old", "new", "newer"} {
		var err error
		if k.pairs[kid], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	k.Server = httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(k.Close)
	return k
}

func (k *keyServer) serve(w http.ResponseWriter, r *http.Request) {
	if _, password, _ := r.BasicAuth(); password != keysSecret {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	b64 := base64.RawURLEncoding.EncodeToString
	var keys []map[string]string
	for _, kid := range k.published {
		point, _ := k.pairs[kid].PublicKey.Bytes()
		keys = append(keys, map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "x": b64(point[1:33]), "y": b64(point[33:])})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
}

// publish has it publish keys from now on.
func (k *keyServer) publish(kids ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.published = kids
}

// signed is a token of a user, by one of the keys.
func (s *userSite) signed(t *testing.T, kid string) string {
	t.Helper()
	unsigned := gojwt.NewWithClaims(gojwt.SigningMethodES256, gojwt.MapClaims{"sub": "lea", "exp": time.Now().Add(time.Hour).Unix()})
	unsigned.Header["kid"] = kid
	text, err := unsigned.SignedString(s.keys.pairs[kid])
	if err != nil {
		t.Fatal(err)
	}
	return s.secrets.add("a token by the key "+kid, text)
}

// testKeysElsewhere rotates the keys at a URL, and has the server there die: what is
// known of it is good still, and who shows what is not known is told to try again.
func (s *userSite) testKeysElsewhere(t *testing.T) {
	nodes := []*node{s.a, s.b}
	taken := func(n *node, text string) bool {
		time.Sleep(20 * time.Millisecond) // a server asks for keys every five seconds
		return strings.Contains(s.connects(t, n, text), `"user":"lea"`)
	}
	for _, n := range nodes {
		hubtest.Eventually(t, hubtest.Patience, func() bool { return taken(n, s.signed(t, "old")) }, "the first key is known")
	}
	s.keys.publish("old", "new")
	for _, n := range nodes {
		hubtest.Eventually(t, hubtest.Patience, func() bool { return taken(n, s.signed(t, "new")) }, "the new key is known")
		s.takes(t, n, s.signed(t, "old"), "")
	}
	s.keys.CloseClientConnections()
	s.keys.Close()
	for _, n := range nodes {
		s.takes(t, n, s.signed(t, "old"), "")
		s.takes(t, n, s.signed(t, "new"), "")
		s.takes(t, n, s.signed(t, "newer"), `{"id":1,"error":{"code":100,"message":"tokens cannot be checked now, try again","temporary":true}}`)
	}
}
