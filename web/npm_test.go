package web_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/hub/hubtest"
)

// runNode runs a script of testdata/npm and returns what it printed.
func runNode(t *testing.T, script string, args ...string) []string {
	t.Helper()
	node := hubtest.Need(t, "node")
	if _, err := os.Stat(filepath.Join("testdata", "npm", "node_modules")); err != nil {
		hubtest.Skip(t, "needs the packages of web/testdata/npm (npm ci there)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{script}, args...)...)
	cmd.Dir = filepath.Join("testdata", "npm")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestCentrifugeFromNPM lets the published client library do what its users do.
func TestCentrifugeFromNPM(t *testing.T) {
	s := newTestServer(t, nil)
	got := runNode(t, "centrifuge.mjs", "ws"+strings.TrimPrefix(s.URL, "http")+"/connection/websocket")
	want := []string{
		`{"what":"connected","transport":"websocket"}`,
		`{"what":"subscribed"}`,
		`{"what":"published"}`,
		`{"what":"publication","data":{"text":"hello"},"own":true}`,
		`{"what":"unsubscribed"}`,
		`{"what":"refused","code":103}`,
		`{"what":"disconnected","code":0}`,
	}
	// The answer to a publish and the message itself overtake one another.
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the client saw (-want +got):\n%s", diff)
	}
}
