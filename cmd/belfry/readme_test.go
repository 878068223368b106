package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"belfry/hub/hubtest"
)

// readmeBlock is the first block of code of a language in README's chapter on private
// channels.
func readmeBlock(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n## Private channels in five minutes\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(chapter)
	if found == nil {
		t.Fatalf("README has no block of %s on private channels", language)
	}
	return found[1]
}

// TestReadmeBackends runs each backend of README, and has a server with README's
// configuration judge its token. Languages that are not here are skipped.
func TestReadmeBackends(t *testing.T) {
	t.Parallel()
	config := writeFile(t, strings.Replace(readmeBlock(t, "yaml"), "…", testSecret, 1))
	for language, c := range map[string]struct{ program, file string }{
		"js": {"node", "token.mjs"}, "python": {"python3", "token.py"}, "php": {"php", "token.php"}, "go": {"go", "main.go"},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(file, []byte(readmeBlock(t, language)), 0o600); err != nil {
				t.Fatal(err)
			}
			text := askBackend(t, hubtest.Need(t, c.program), file)
			got := runToken(t, text, nil, "check", "-", "--config", config, "--channel", "team:7:news")
			if got.code != 0 || !strings.Contains(got.out, "user       ada\n") || !strings.Contains(got.out, "subscribe  yes\npublish    yes\n") {
				t.Errorf("%s makes a token of which is said %+v", language, got)
			}
		})
	}
}

// askBackend runs a backend on a free port until the test ends, and asks it for a token.
func askBackend(t *testing.T, program, file string) string {
	t.Helper()
	port := strconv.Itoa(hubtest.FreePort(t))
	args := map[string][]string{".php": {"-S", "localhost:" + port, file}, ".go": {"build", "-o", file + ".bin", file}}[filepath.Ext(file)]
	if args == nil {
		args = []string{file}
	}
	if strings.HasSuffix(file, ".go") {
		if text, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, text)
		}
		program, args = file+".bin", nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	backend := exec.CommandContext(ctx, program, args...)
	backend.Env = append(os.Environ(), "PORT="+port, "TOKEN_SECRET="+testSecret)
	var said output
	backend.Stdout, backend.Stderr = &said, &said
	if err := backend.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = backend.Wait() })
	for deadline := time.Now().Add(hubtest.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://localhost:" + port)
		if err != nil {
			continue
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Fatalf("the backend never answers; it says\n%s", &said)
	return ""
}
