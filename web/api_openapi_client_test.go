package web_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"belfry/hub/hubtest"
	"belfry/web/api"
)

// TestOpenAPIClient has a client made of the document, and compiles a backend in
// TypeScript that uses it: generators read less of a document than validators do.
func TestOpenAPIClient(t *testing.T) {
	t.Parallel()
	node := hubtest.Need(t, "node")
	npm, err := filepath.Abs("testdata/npm")
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(npm, "node_modules")
	hubtest.NeedPackage(t, npm, "openapi-typescript")
	dir := t.TempDir()
	backend, err := os.ReadFile(filepath.Join(npm, "api.ts"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"openapi.yaml": api.Document, "api.ts": backend} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(script string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), node, append([]string{filepath.Join(modules, script)}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	run("openapi-typescript/bin/cli.js", "openapi.yaml", "-o", "openapi.d.ts")
	run("typescript/bin/tsc", "--noEmit", "--strict", "--target", "es2022", "--moduleResolution", "bundler", "--module", "esnext", "--lib", "es2022,dom", "api.ts")
}
