package access_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"belfry/web/access"
	"belfry/web/fault"
)

func TestKey(t *testing.T) {
	const key = "k3y"
	for name, c := range map[string]struct {
		key     string
		target  string
		headers []string
		ok      bool
	}{
		"in its own header":         {key, "/", []string{"X-API-Key", key}, true},
		"by a scheme":               {key, "/", []string{"Authorization", "apikey " + key}, true},
		"by a scheme in capitals":   {key, "/", []string{"Authorization", "ApiKey " + key}, true},
		"a scheme beside a header":  {key, "/", []string{"X-API-Key", "other", "Authorization", "apikey " + key}, true},
		"another scheme is no key":  {key, "/", []string{"X-API-Key", key, "Authorization", "Bearer x"}, true},
		"none":                      {key, "/", nil, false},
		"another":                   {key, "/", []string{"X-API-Key", "k3x"}, false},
		"a longer one":              {key, "/", []string{"X-API-Key", key + "y"}, false},
		"the begin of it":           {key, "/", []string{"X-API-Key", "k3"}, false},
		"in other letters":          {key, "/", []string{"X-API-Key", strings.ToUpper(key)}, false},
		"as a bearer":               {key, "/", []string{"Authorization", "Bearer " + key}, false},
		"without a scheme":          {key, "/", []string{"Authorization", key}, false},
		"in the URL":                {key, "/?api_key=" + key, nil, false},
		"an empty one of none":      {"", "/", nil, false},
		"an empty one is shown":     {"", "/", []string{"X-API-Key", ""}, false},
		"an empty one, by a scheme": {"", "/", []string{"Authorization", "apikey "}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, c.target, nil)
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			who, err := newKeys(c.key).Check(r)
			switch {
			case c.ok && (who == nil || !who.Backend || err != nil):
				t.Errorf("got %+v, %v; want the backend", who, err)
			case !c.ok && (who != nil || err == nil || fault.From(err).Kind != fault.Unauthorized):
				t.Errorf("got %+v, %v; want it refused", who, err)
			}
		})
	}
}

func newKeys(text string) *access.Keys {
	if text == "" {
		return access.NewKeys(slog.New(slog.DiscardHandler))
	}
	return access.NewKeys(slog.New(slog.DiscardHandler), access.WholeKey("api.key", text))
}
