package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// TestPathOfAMessage counts the files of hub and web through which one message
// runs, from the HTTP API to a WebSocket. Whoever reads its path opens as many.
func TestPathOfAMessage(t *testing.T) {
	hubtest.Need(t, "go")
	program := filepath.Join(t.TempDir(), "onepublish")
	outcome(t, "go", "build", "-cover", "-covermode=atomic", "-coverpkg=belfry/hub/...,belfry/web/...,./testdata/onepublish", "-o", program, "./testdata/onepublish")
	t.Run("memory", func(t *testing.T) { checkPath(t, 18, program) })
	t.Run("redis", func(t *testing.T) { checkPath(t, 24, program, hubtest.Redis(t).URL()) })
}

func outcome(t *testing.T, name string, args ...string) string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, text)
	}
	return string(text)
}

func checkPath(t *testing.T, most int, program string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	outcome(t, program, append([]string{dir}, args...)...)
	publishes, err := os.ReadDir(dir)
	if err != nil || len(publishes) < 2 {
		t.Fatalf("%d publishes were traced: %v", len(publishes), err)
	}
	var files []string // that ran each time
	for i, p := range publishes {
		ran := filesThatRan(t, filepath.Join(dir, p.Name()))
		if i == 0 {
			files = ran
		}
		files = slices.DeleteFunc(files, func(f string) bool { return !slices.Contains(ran, f) })
	}
	if len(files) > most || !slices.Contains(files, "belfry/hub/hub.go") {
		t.Errorf("a message runs through %d files, want %d at most, hub.go among them:\n%s", len(files), most, strings.Join(files, "\n"))
	}
	t.Logf("%d files:\n%s", len(files), strings.Join(files, "\n"))
}

// filesThatRan reads coverage counters.
func filesThatRan(t *testing.T, dir string) (files []string) {
	t.Helper()
	profile := filepath.Join(dir, "profile.txt")
	outcome(t, "go", "tool", "covdata", "textfmt", "-i="+dir, "-o="+profile)
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		file, counts, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && file != "mode" && !strings.Contains(file, "onepublish") && !strings.HasSuffix(counts, " 0") && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}
