package hubtest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// require names the environment variable which, set to 1, makes a missing
// program an error.
const require = "BELFRY_TEST_REQUIRE"

// packages says what to install for a program, by its name.
var packages = map[string]string{
	"redis-server":            "apt-get install redis-server",
	"redis-benchmark":         "apt-get install redis-tools",
	"chromium-headless-shell": "apt-get install chromium-headless-shell",
	"node":                    "apt-get install nodejs",
	"npm":                     "apt-get install npm",
	"nginx":                   "apt-get install nginx-light",
	"docker":                  "https://docs.docker.com/engine/install/",
}

// Need returns the path of a program. On a machine without it the test is
// skipped, and the terminal says so; with BELFRY_TEST_REQUIRE=1 it fails.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Skip(t, missing(program))
	}
	return path
}

// NeedPackage returns the folder of a package from npm, which is installed under another
// folder of web/testdata. Where it is not, the test is skipped as by [Need].
func NeedPackage(t testing.TB, folder, name string) string {
	t.Helper()
	path := filepath.Join(folder, "node_modules", name)
	if _, err := os.Stat(path); err != nil {
		Skip(t, fmt.Sprintf("needs the package %s (npm ci in web/testdata/%s)", name, filepath.Base(folder)))
	}
	return path
}

func missing(program string) string {
	if install := packages[program]; install != "" {
		return fmt.Sprintf("needs %s (%s)", program, install)
	}
	return fmt.Sprintf("needs %s, which is not in PATH", program)
}

// Skip skips a test because the machine lacks something, and says on the
// terminal what; with BELFRY_TEST_REQUIRE=1 the test fails instead.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(require) == "1" {
		t.Fatalf("%s, and %s=1 allows no skipping", reason, require)
	}
	forgetResult()
	if !testing.Verbose() {
		Tell(fmt.Sprintf("belfry: skipped %s: %s\n", t.Name(), reason))
	}
	t.Skip(reason)
}

// Tell writes a line where somebody sees it, if it can. The go command throws
// away what a passing test prints unless it is asked for more with -v, so on
// Linux this writes to the standard error of the go command itself, and
// elsewhere to the terminal.
func Tell(line string) {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/2", goCommand()), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		f, err = os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	}
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(line)
}

// goCommand returns the process ID of the go command that runs this test, or 0
// when something else does.
func goCommand() int {
	parent := os.Getppid()
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent))
	if strings.TrimSpace(string(name)) != "go" {
		return 0
	}
	return parent
}

// forgetResult keeps the go command from caching the result: it does not see
// that a program was installed, and would go on showing the old result. The
// cache needs the log of files and variables that the test looked at.
func forgetResult() {
	if f := flag.Lookup("test.testlogfile"); f != nil && f.Value.String() != "" {
		_ = os.Remove(f.Value.String())
	}
}
