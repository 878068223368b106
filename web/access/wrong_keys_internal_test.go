package access

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestWrongKeysFromEverywhere counts what is kept of more addresses than are
// remembered, and that nothing is once they have stopped.
func TestWrongKeysFromEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWrongKeys(slog.New(slog.DiscardHandler))
		for i := range 3 * maxAddresses {
			_ = w.note(fmt.Sprintf("[2001:db8:%x:%x::1]:1", i>>16, i&0xffff))
			if len(w.tries) > maxAddresses {
				t.Fatalf("%d addresses are remembered, want %d at most", len(w.tries), maxAddresses)
			}
		}
		time.Sleep(longestWait + time.Second)
		if w.advance(); len(w.tries) > 0 {
			t.Errorf("%d addresses are remembered after %v", len(w.tries), longestWait)
		}
	})
}
