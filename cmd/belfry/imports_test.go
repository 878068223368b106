package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// mayImport is what each package of Belfry may import of the others: the arrows go
// one way, and a package that is not here has no place yet. Tests are not held to
// it.
var mayImport = map[string][]string{
	"hub":             nil,
	"hub/redisbroker": {"hub"},
	"hub/hubtest":     {"hub"},
	"hub/brokertest":  {"hub", "hub/hubtest"},

	"web/fault":   {"hub"},
	"web/token":   nil,
	"web/access":  {"hub", "web/fault", "web/token"},
	"web/session": {"hub", "web/access", "web/fault"},

	// Transports, and what they have in common.
	"web/wire":  nil,
	"web/ws":    {"web/session", "web/wire", "web/access", "web/fault"},
	"web/carry": {"hub", "web/session", "web/wire", "web/access", "web/fault"},

	// Protocols. Two of them have streams of their own over HTTP.
	"web/raw":        {"hub", "web/session", "web/access", "web/fault"},
	"web/centrifuge": {"hub", "web/session", "web/carry", "web/access", "web/fault"},
	"web/events":     {"hub", "web/session", "web/carry", "web/centrifuge", "web/access", "web/fault"},

	"web/api":  {"hub", "web/session", "web/centrifuge", "web/access", "web/fault"},
	"web/page": {"web/fault"},
	"web": {"hub", "web/fault", "web/token", "web/access", "web/session", "web/wire", "web/ws", "web/carry",
		"web/raw", "web/centrifuge", "web/events", "web/api", "web/page"},

	"policy":  nil,
	"configs": nil,

	"cmd/belfry": {"hub", "hub/redisbroker", "web", "web/access", "web/token", "policy", "configs", "cmd/internal/centrifuge", "cmd/internal/load", "cmd/internal/logs"},

	// Measures and yardsticks reach a server by its ports only.
	"cmd/reference":           nil,
	"cmd/compare":             {"cmd/internal/follow", "cmd/internal/load", "cmd/internal/process"},
	"cmd/internal/centrifuge": nil,
	"cmd/internal/client":     nil,
	"cmd/internal/logs":       nil,
	"cmd/internal/process":    nil,
	"cmd/internal/follow":     {"cmd/internal/centrifuge", "cmd/internal/client"},
	"cmd/internal/load":       {"cmd/internal/centrifuge", "cmd/internal/client", "cmd/internal/process"},
}

const (
	chi     = "github.com/go-chi/chi/v5"
	redis   = "github.com/redis/go-redis/v9"
	melody  = "github.com/olahol/melody"
	gorilla = "github.com/gorilla/websocket"
	jwt     = "github.com/golang-jwt/jwt/v5"
)

// hasLibrary is which packages import a library. Nobody else does.
var hasLibrary = map[string][]string{
	chi:     {"web", "web/api"},
	redis:   {"hub/redisbroker"},
	melody:  {"web/ws", "cmd/reference"},
	gorilla: {"web/ws", "cmd/belfry", "cmd/reference"},
	jwt:     {"web/token", "cmd/compare"},
}

// strangers are what a package must not know of, not even through others.
var strangers = map[string][]string{
	"hub":       {"net/http", chi, redis, melody, gorilla, jwt},
	"web/token": {chi, redis, melody, gorilla, "belfry/hub"},
	"policy":    {"net/http", chi, redis, melody, gorilla, jwt},
	"configs":   {"net/http", chi, redis, melody, gorilla, jwt},
	"web/wire":  {chi, redis, melody, gorilla},

	// A transport does not know what is said.
	"web/ws":    {"belfry/web/raw", "belfry/web/centrifuge", "belfry/web/events"},
	"web/carry": {"belfry/web/raw", "belfry/web/centrifuge", "belfry/web/events", melody, gorilla},
	// A protocol does not know how it travels. That two have streams of their own
	// over HTTP brings carry below them, and wire below that.
	"web/raw":        {"belfry/web/ws", "belfry/web/carry", "belfry/web/wire", melody, gorilla},
	"web/centrifuge": {"belfry/web/ws", melody, gorilla},
	"web/events":     {"belfry/web/ws", melody, gorilla},
}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Imports    []string // without those of tests
	Deps       []string
}

// ours returns the name of a package in Belfry.
func ours(importPath string) (name string, ok bool) { return strings.CutPrefix(importPath, "belfry/") }

func TestImports(t *testing.T) {
	packages := listPackages(t)
	t.Run("table", func(t *testing.T) { checkTable(t, packages) })
	t.Run("libraries", func(t *testing.T) { checkLibraries(t, packages) })
	t.Run("strangers", func(t *testing.T) { checkStrangers(t, packages) })
}

// checkTable compares packages with mayImport, which has all of them and no more.
func checkTable(t *testing.T, packages map[string]listed) {
	for name, p := range packages {
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s is not in the table of imports", name)
		}
		for _, imported := range p.Imports {
			if other, ok := ours(imported); ok && known && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s; of Belfry it may import only %q", name, other, allowed)
			}
		}
	}
	for name, allowed := range mayImport {
		for _, other := range append(allowed, name) {
			if _, ok := packages[other]; !ok {
				t.Errorf("in the table of imports %s stands at %s, and is no package", other, name)
			}
		}
	}
}

// checkLibraries holds each library in the packages that are there for it.
func checkLibraries(t *testing.T, packages map[string]listed) {
	for name, p := range packages {
		for library, users := range hasLibrary {
			isPart := func(imported string) bool { return imported == library || strings.HasPrefix(imported, library+"/") }
			if slices.ContainsFunc(p.Imports, isPart) && !slices.Contains(users, name) {
				t.Errorf("%s imports %s, which only %q may", name, library, users)
			}
		}
	}
}

// checkStrangers looks at what packages depend on through others, too.
func checkStrangers(t *testing.T, packages map[string]listed) {
	for name, unknown := range strangers {
		p, ok := packages[name]
		if !ok {
			t.Errorf("%s is no package", name)
		}
		for _, stranger := range unknown {
			if slices.Contains(p.Deps, stranger) {
				t.Errorf("%s depends on %s", name, stranger)
			}
		}
	}
}

// listPackages returns the packages of Belfry by their names.
func listPackages(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), hubtest.Need(t, "go"), "list", "-json=ImportPath,Imports,Deps", "belfry/...")
	text, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %s", exit.Stderr)
	}
	packages := make(map[string]listed)
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p listed
		switch err := d.Decode(&p); {
		case err == io.EOF:
			return packages
		case err != nil:
			t.Fatalf("go list: %v", err)
		}
		name, _ := ours(p.ImportPath)
		packages[name] = p
	}
}
