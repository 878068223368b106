package web_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// TestCentrifugeClientWithTokens has the published client library connect, subscribe and
// refresh by tokens that a backend makes: users.mjs says how.
func TestCentrifugeClientWithTokens(t *testing.T) {
	t.Parallel()
	hubtest.NeedPackage(t, "testdata/npm", "centrifuge")
	s := newTestServer(t, withUsers)
	backend := tokenBackend(t)
	script, err := filepath.Abs("testdata/npm/users.mjs")
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), hubtest.Need(t, "node"), script, "ws"+strings.TrimPrefix(s.URL, "http")+"/connection/websocket", backend)
	text, err := node.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got := strings.Split(strings.TrimSpace(string(text)), "\n")
	want := []string{
		"asks again for an expired token of a subscription", "comes back from an expired token, and recovers", "is known by its user",
		"refreshes a subscription", "refreshes the connection", "stays away when its backend says so",
		"stays away with a bad token", "stays away with the token of another channel",
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), s.log)
	}
}
