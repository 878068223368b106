package hubtest

import (
	"testing"
	"time"
)

// Patience is how long tests wait for what has to come. It bounds a test that
// fails; how soon a thing comes on a busy machine says nothing about it.
const Patience = 3 * time.Minute

// Soon is how long what has a deadline of a few seconds may take on a machine that
// is busy with something else. A deadline that is not kept at all takes longer.
const Soon = 20 * time.Second

// Eventually waits until the condition holds, and fails the test when it does
// not within the time. The last argument says what was waited for.
func Eventually(t testing.TB, within time.Duration, condition func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(within); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// waitFor waits for a condition as long as tests are patient. What is checked
// afterwards tells what is wrong.
func waitFor(condition func() bool) {
	for deadline := time.Now().Add(Patience); !condition() && time.Now().Before(deadline); {
		time.Sleep(2 * time.Millisecond)
	}
}
