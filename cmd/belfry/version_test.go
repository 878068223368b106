package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

func TestVersion(t *testing.T) {
	if got := belfry(t, "", "version"); got.code != 0 || !strings.HasPrefix(got.out, "belfry "+version()+" "+runtime.Version()) {
		t.Errorf("got %+v", got)
	}
	if flag, command := belfry(t, "", "--version"), belfry(t, "", "version"); flag != command {
		t.Errorf("--version: got %+v", flag)
	}
	var v map[string]string
	got := belfry(t, "", "version", "--json")
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || v["version"] != version() || v["go"] != runtime.Version() || v["os"] != runtime.GOOS {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestVersionInDocker does what the image does before it builds, in a repository of
// which .dockerignore has left something out: that is no change to it, which the
// version would tell of, and a change is one.
func TestVersionInDocker(t *testing.T) {
	hubtest.Need(t, "git")
	file, err := os.ReadFile("../../configs/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	part := regexp.MustCompile(`(?m)^RUN (if \[ -d \.git \];.* fi) && `).FindSubmatch(file)
	if part == nil {
		t.Fatal("configs/Dockerfile does not look for .git")
	}
	sh := func(dir, script string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), hubtest.Need(t, "sh"), "-ec", script)
		cmd.Dir = dir
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, text)
		}
		return string(text)
	}
	dir := t.TempDir()
	sh(dir, `git init -q; echo a > kept; echo b > left; git add .; git -c user.name=a -c user.email=a@b.example commit -qm m; rm left`)
	sh(dir, string(part[1]))
	if changed := sh(dir, "git status --porcelain"); changed != "" {
		t.Errorf("what was left out is a change:\n%s", changed)
	}
	sh(dir, "echo c > kept")
	if changed := sh(dir, "git status --porcelain"); !strings.Contains(changed, "kept") {
		t.Errorf("a change is none:\n%s", changed)
	}
	// What is no repository here, as in a work tree, is none for the build either.
	other := t.TempDir()
	sh(other, "echo 'gitdir: /nowhere' > .git; "+string(part[1]))
	if _, err := os.Stat(filepath.Join(other, ".git")); !os.IsNotExist(err) {
		t.Errorf(".git is still there: %v", err)
	}
}
