package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// keysAge is how old keys become before they are fetched again, however much they
	// are used: one that was taken back is not accepted for longer.
	keysAge = 10 * time.Minute
	// fetchPause is how long nothing is fetched after a fetch has begun, however many
	// unknown keys are asked for.
	fetchPause = 5 * time.Second
	// failedPause is how soon keys are fetched again that could not be had.
	failedPause = 30 * time.Second
	// staleAge is how old keys become while they cannot be fetched.
	staleAge = 24 * time.Hour
	// unknownAge is how long it is remembered that there is no key of an ID, and
	// maxUnknown of how many.
	unknownAge, maxUnknown = 30 * time.Second, 1000
	// fetchWait and maxDocument bound one fetch: its time, and the bytes of a document.
	fetchWait, maxDocument = 2 * time.Second, 1 << 20
	// maxHead is the largest head of an answer in bytes.
	maxHead = 64 << 10
	// maxKeyID is the longest ID of a key in bytes.
	maxKeyID = 255
	// maxRedirects is how often a fetch may be sent on, to the same host.
	maxRedirects = 3
)

// keySet is keys at a URL. One fetch is under way at a time, on the goroutine that
// runs. Its other methods are safe for several goroutines.
type keySet struct {
	key    *Key
	client *http.Client
	logger *slog.Logger
	wanted chan struct{} // holds a token when somebody waits for a fetch

	mu      sync.Mutex // guards what follows
	keys    map[string]material
	fetched time.Time // when keys were fetched; zero: never
	began   time.Time // when the last fetch began; zero: none has
	failed  bool      // and had no result
	// fetching says that one is under way, and done is closed when the next has ended.
	fetching bool
	done     chan struct{}
	unknown  map[string]time.Time // IDs of which there is no key, and since when that is known
}

func newKeySet(k *Key, o Options) (*keySet, error) {
	u, err := url.Parse(k.JWKS)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("jwks: want https://host/path")
	}
	if k.Algorithm != "" && (!slices.Contains(Algorithms(), k.Algorithm) || k.Algorithm[0] == 'H') {
		return nil, fmt.Errorf("algorithm: %.20q: want that of public keys, or none beside jwks", k.Algorithm)
	}
	client := &http.Client{Transport: bounded(o.Transport), Timeout: fetchWait, CheckRedirect: staysAtHost}
	return &keySet{key: k, client: client, logger: o.Logger, wanted: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// bounded is a transport that reads no more of a head than has a use; nil: that of the
// system.
func bounded(t *http.Transport) *http.Transport {
	if t == nil {
		t = http.DefaultTransport.(*http.Transport)
	}
	t = t.Clone()
	t.MaxResponseHeaderBytes = maxHead
	return t
}

// staysAtHost follows no redirect to another host or scheme: whoever runs that would
// say which tokens are good.
func staysAtHost(r *http.Request, via []*http.Request) error {
	if first := via[0].URL; r.URL.Host != first.Host || r.URL.Scheme != first.Scheme {
		return errors.New("it is elsewhere now, by a redirect that is not followed")
	}
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	return nil
}

// run fetches keys until the context ends: at once, when they have come of age, and
// when somebody wants one that is not there.
func (s *keySet) run(ctx context.Context) {
	for {
		pause := keysAge
		if !s.fetch(ctx) {
			pause = failedPause
		}
		if !s.wait(ctx, pause) {
			return
		}
	}
}

// wait returns when keys are to be fetched again, and false when the context has ended.
func (s *keySet) wait(ctx context.Context, pause time.Duration) bool {
	again := time.NewTimer(pause)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-again.C:
			return true
		case <-s.wanted:
			if time.Since(s.began) >= fetchPause { // or a fetch has ended meanwhile
				return true
			}
		}
	}
}

// fetch fetches keys once, and keeps the old ones where there are no new ones.
func (s *keySet) fetch(ctx context.Context) bool {
	s.mu.Lock()
	s.began, s.fetching = time.Now(), true
	s.mu.Unlock()
	keys, err := s.get(ctx)
	s.mu.Lock()
	before := s.failed
	s.failed, s.fetching = err != nil, false
	if err == nil {
		s.keys, s.fetched, s.unknown = keys, time.Now(), make(map[string]time.Time)
	}
	close(s.done)
	s.done = make(chan struct{})
	s.mu.Unlock()
	s.log(before, err, len(keys))
	return err == nil
}

// log tells once that keys cannot be had, and once that they can again.
func (s *keySet) log(before bool, err error, n int) {
	switch {
	case err != nil && !before:
		s.logger.Warn("keys for tokens cannot be fetched; those that are known are good for a day", "key", s.key.Name, "err", err)
	case err == nil && before:
		s.logger.Info("keys for tokens are fetched again", "key", s.key.Name, "count", n)
	}
}

// get fetches the document.
func (s *keySet) get(ctx context.Context) (map[string]material, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.key.JWKS, nil)
	if err != nil {
		return nil, errors.New("jwks: is no URL")
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it is answered with %.100s", response.Status)
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("it did not arrive whole within %v", fetchWait)
	case len(document) > maxDocument:
		return nil, fmt.Errorf("it has more than %d bytes", maxDocument)
	}
	return readKeys(document, s.key.Algorithm)
}

// withoutURL leaves the URL out of an error: it may have a password.
func withoutURL(err error) error {
	var in *url.Error
	if errors.As(err, &in) {
		return in.Err
	}
	return err
}

// signer returns the key of the set if it has signed a token.
func (s *keySet) signer(ctx context.Context, t *jwt.Token, signed, kid string) (*Key, error) {
	if kid == "" || len(kid) > maxKeyID {
		return nil, errorf(Bad, "header kid: has %d bytes; want 1 to %d, to tell which of the keys at tokens.keys %.40q it is", len(kid), maxKeyID, s.key.Name)
	}
	m, err := s.find(ctx, kid)
	if err != nil {
		return nil, err
	}
	if alg := t.Method.Alg(); !slices.Contains(m.algorithms, alg) {
		return nil, errorf(Bad, "header alg: %s is not the algorithm of the key %.100q", alg, kid)
	}
	if t.Method.Verify(signed, t.Signature, m.key) != nil {
		return nil, errorf(Bad, "the signature is not that of the key %.100q", kid)
	}
	return s.key, nil
}

// find returns a key, and waits for a fetch where one may bring it.
func (s *keySet) find(ctx context.Context, kid string) (material, error) {
	m, done, err := s.look(kid)
	if done == nil {
		return m, err
	}
	select {
	case <-done:
		return s.lookAgain(kid)
	case <-ctx.Done():
		return m, errorf(Away, "the keys at tokens.keys %.40q have not come in time", s.key.Name)
	}
}

// look returns a key that is known, why there is none, or what to wait for. It has keys
// fetched that are missing, but not again too soon.
func (s *keySet) look(kid string) (m material, done <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.known(kid); ok {
		return m, nil, nil
	}
	switch {
	case time.Since(s.unknown[kid]) < unknownAge:
		return m, nil, s.noKey(kid)
	case s.fetching:
		return m, s.done, nil
	case time.Since(s.began) < fetchPause:
		return m, nil, errorf(Away, "there is no key %.100q at tokens.keys %.40q, which was asked %v ago; perhaps there is by now",
			kid, s.key.Name, time.Since(s.began).Round(time.Millisecond))
	}
	select {
	case s.wanted <- struct{}{}:
	default: // somebody has asked
	}
	return m, s.done, nil
}

// lookAgain is look after a fetch.
func (s *keySet) lookAgain(kid string) (material, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.known(kid)
	switch {
	case ok:
		return m, nil
	case s.failed:
		return m, errorf(Away, "the keys at tokens.keys %.40q cannot be fetched", s.key.Name)
	case len(s.unknown) < maxUnknown:
		s.unknown[kid] = time.Now()
	}
	return m, s.noKey(kid)
}

// known returns a key that is not too old. It runs under the lock.
func (s *keySet) known(kid string) (material, bool) {
	m, ok := s.keys[kid]
	return m, ok && time.Since(s.fetched) < staleAge
}

func (s *keySet) noKey(kid string) error {
	return errorf(Bad, "header kid: there is no key %.100q at tokens.keys %.40q", kid, s.key.Name)
}
