package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// rooms are the top folders of Belfry, each with those that its packages may
// import beside packages of the same room. Tests are not held to it.
var rooms = map[string][]string{
	"hub":     nil,
	"policy":  nil,
	"configs": nil,
	"web":     {"hub"},
	"cmd":     {"hub", "web", "policy", "configs"},
}

// strangers are what a room must not know of, not even through others.
var strangers = map[string][]string{
	"belfry/hub": {"net/http", "github.com/redis/go-redis/v9", "github.com/go-chi/chi/v5", "github.com/olahol/melody", "github.com/gorilla/websocket"},
}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Imports    []string // without those of tests
	Deps       []string
}

// room returns the top folder of a package of Belfry.
func room(importPath string) (string, bool) {
	rest, ok := strings.CutPrefix(importPath, "belfry/")
	name, _, _ := strings.Cut(rest, "/")
	return name, ok
}

func TestImports(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < len(rooms) {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, p := range packages {
		name, _ := room(p.ImportPath)
		allowed, known := rooms[name]
		if !known {
			t.Errorf("%s is in no room that this test knows", p.ImportPath)
		}
		for _, imported := range p.Imports {
			other, ours := room(imported)
			if ours && other != name && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s; of Belfry it may import only %q", p.ImportPath, imported, append(allowed, name))
			}
			if testing := []string{"hubtest", "brokertest"}; slices.Contains(testing, path.Base(imported)) && !slices.Contains(testing, path.Base(p.ImportPath)) {
				t.Errorf("%s imports %s, which is for tests", p.ImportPath, imported)
			}
		}
		for _, stranger := range strangers[p.ImportPath] {
			if slices.Contains(p.Deps, stranger) {
				t.Errorf("%s depends on %s", p.ImportPath, stranger)
			}
		}
	}
}

func listPackages(t *testing.T) (packages []listed) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), hubtest.Need(t, "go"), "list", "-json=ImportPath,Imports,Deps", "belfry/...")
	text, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %s", exit.Stderr)
	}
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p listed
		switch err := d.Decode(&p); {
		case err == io.EOF:
			return packages
		case err != nil:
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}
