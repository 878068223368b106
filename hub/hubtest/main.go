package hubtest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main runs a package's tests and fails when goroutines of Belfry are left at
// the end. It is called by TestMain and does not return.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		code = reportLeaks()
	}
	os.Exit(code)
}

// reportLeaks gives goroutines some time to end and prints those that do not.
func reportLeaks() int {
	left := leaks()
	for deadline := time.Now().Add(Soon); len(left) > 0 && time.Now().Before(deadline); left = leaks() {
		time.Sleep(10 * time.Millisecond)
	}
	if len(left) == 0 {
		return 0
	}
	fmt.Fprintf(os.Stderr, "goroutines left behind:\n\n%s\n", strings.Join(left, "\n\n"))
	return 1
}

// leaks returns the stacks of the goroutines that run code of Belfry, but for
// the one that asks.
func leaks() (left []string) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, "belfry/") && !strings.Contains(stack, "belfry/hub/hubtest.leaks") {
			left = append(left, stack)
		}
	}
	return left
}
