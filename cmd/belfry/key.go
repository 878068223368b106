package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"belfry/configs"
	"belfry/web"
	"belfry/web/access"
)

// keyCommand is belfry key.
type keyCommand struct{}

// Help is shown by belfry key --help.
func (keyCommand) Help() string {
	return `The key is for the backend, which sends it with each call. Its SHA-256 is for the
configuration, where nobody can read the key:

  api:
    keys:
      - {name: billing, sha256: "…", calls: [publish], channels: ["news*"]}

The key is printed this once.`
}

// Run makes a key of 130 random bits. Nobody can try so many, so that its plain SHA-256,
// without salt or work, gives nothing away.
func (keyCommand) Run(t *terminal) error {
	key := rand.Text()
	sum := sha256.Sum256([]byte(key))
	_, err := fmt.Fprintf(t.out, "key:    %s\nsha256: %s\n", key, hex.EncodeToString(sum[:]))
	return err
}

// apiKeys translates the keys of the HTTP API that have names. The error is a
// [configs.Fault], for a call that there is not: only web knows which there are, and the
// configuration is checked without it. Of a key that is given as it is only the SHA-256
// is kept.
func apiKeys(config configs.Config) (all []access.APIKey, err error) {
	for i, k := range config.API.Keys {
		for at, call := range k.Calls {
			if !slices.Contains(web.Calls(), call) {
				key := fmt.Sprintf("api.keys[%d].calls[%d]", i, at)
				return nil, configs.Fault{Place: config.Place(key), Key: key, Problem: fmt.Sprintf("%.40q: want one of %s", call, strings.Join(web.Calls(), ", "))}
			}
		}
		key := access.WholeKey(k.Name, k.Key.Reveal())
		if k.SHA256 != "" {
			hex.Decode(key.Sum[:], []byte(k.SHA256)) // Check has seen that it can be read
		}
		key.Calls, key.Channels, key.Expires = orAll(k.Calls), orAll(k.Channels), k.Until()
		all = append(all, key)
	}
	return all, nil
}

// orAll is nil for an empty list, which in the configuration means all, and for the guard
// would mean none.
func orAll(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}
