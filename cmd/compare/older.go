package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// olderBelfry returns the binary of an older Belfry and what to call it. What is
// asked for is a binary that is there, or else anything that git takes for a
// commit, which is then built in a folder below dir.
//
// The commit's files come out of git archive: a work tree would have to be
// registered in the repository, and would stay there when this process is killed.
func olderBelfry(ctx context.Context, dir, asked string) (binary, name string, err error) {
	if info, err := os.Stat(asked); err == nil && info.Mode().IsRegular() {
		binary, err = filepath.Abs(asked) // exec finds no program by a bare name
		return binary, asked, err
	}
	commit, err := git(ctx, "rev-parse", "--verify", "--quiet", "--short", asked+"^{commit}")
	if err != nil {
		return "", "", fmt.Errorf("-before: %q is neither a file nor a commit", asked)
	}
	source := filepath.Join(dir, "before")
	if err := checkOut(ctx, commit, source); err != nil {
		return "", "", err
	}
	binary = filepath.Join(source, "belfry")
	return binary, asked + " (" + commit + ")", goBuild(ctx, source, binary, "belfry")
}

// checkOut makes a folder with the files of a commit.
func checkOut(ctx context.Context, commit, folder string) error {
	top, err := git(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	archive := folder + ".tar"
	// In a subfolder git archive would leave out everything beside it.
	if _, err := git(ctx, "-C", top, "archive", "--format=tar", "--output="+archive, commit); err != nil {
		return err
	}
	return command(ctx, "", "tar", "-xf", archive, "-C", folder).Run()
}

// git returns what a git command prints, without spaces around it.
func git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}
