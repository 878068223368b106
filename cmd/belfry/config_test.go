package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"belfry/configs"
)

// sameConfig compares values, not where they came from.
var sameConfig = cmp.Options{cmpopts.IgnoreUnexported(configs.Config{}), cmpopts.EquateEmpty()}

// runConfig runs belfry config with an environment.
func runConfig(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var out, err output
	code := run(t.Context(), append([]string{"config"}, args...), &terminal{out: &out, err: &err, environ: environ})
	return result{code, out.String(), err.String()}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestConfigCanBeReadAgain prints the defaults and loads what was printed.
func TestConfigCanBeReadAgain(t *testing.T) {
	got := runConfig(t, nil)
	if got.code != 0 || got.err != "" {
		t.Fatalf("got %+v", got)
	}
	config, err := configs.Load(writeFile(t, got.out), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(configs.Default().InForce(), config, sameConfig); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestConfigOrder sets one key in more and more places.
func TestConfigOrder(t *testing.T) {
	file := writeFile(t, "http: {addr: ':2'}")
	cases := []struct {
		name, want string
		environ    []string
		args       []string
	}{
		{"defaults", ":40132", nil, nil},
		{"file", ":2", nil, []string{"--config", file}},
		{"environment", ":3", []string{"BELFRY_HTTP_ADDR=:3"}, []string{"--config", file}},
		{"flag", ":4", []string{"BELFRY_HTTP_ADDR=:3"}, []string{"--config", file, "--addr", ":4"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := runConfig(t, tc.environ, append(tc.args, "--json")...)
			var config struct{ HTTP struct{ Addr string } }
			if err := json.Unmarshal([]byte(got.out), &config); err != nil || config.HTTP.Addr != tc.want {
				t.Errorf("got %+v, want http.addr %s", got, tc.want)
			}
		})
	}
}

func TestConfigHidesSecrets(t *testing.T) {
	environ := []string{"BELFRY_API_KEY=hush", "BELFRY_REDIS_URL=redis://ann:hush@h:1/2"}
	for _, args := range [][]string{nil, {"--json"}} {
		got := runConfig(t, environ, args...)
		if got.code != 0 || strings.Contains(got.out, "hush") || !strings.Contains(got.out, "redis://ann:(hidden)@h:1/2") {
			t.Errorf("%q: got %+v", args, got)
		}
	}
}

// TestConfigTellsEveryFault has faults of reading and of checking.
func TestConfigTellsEveryFault(t *testing.T) {
	file := writeFile(t, "http: {port: 80}\nlimits: {body: 1B, message: lots}\n")
	got := runConfig(t, []string{"BELFRY_ORIGINS=a", "BELFRY_LIMITS_SUBSCRIPTIONS=0"}, "--config", file, "--addr", "here", "--redis", "http://:hush@h")
	lines := strings.Split(strings.TrimSuffix(got.err, "\n"), "\n")
	want := []string{file + ":1: http: unknown key port", file + ":2: limits.message", "--addr: http.addr", "--redis: redis.url",
		"BELFRY_ORIGINS: origins[0]", file + ":2: limits.body", "BELFRY_LIMITS_SUBSCRIPTIONS: limits.subscriptions"}
	if got.code != 1 || got.out != "" || len(lines) != len(want) || strings.Contains(got.err, "hush") {
		t.Fatalf("got %+v, want exit code 1 and %d lines without a secret", got, len(want))
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], "belfry: "+want[i]) {
			t.Errorf("line %q, want it to begin with %q", lines[i], want[i])
		}
	}
}
