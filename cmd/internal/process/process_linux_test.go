package process

import (
	"os"
	"testing"
	"time"
)

// TestRead measures the test itself.
func TestRead(t *testing.T) {
	before := mustRead(t)
	// Busy for as long as it takes: others may have the processor.
	used := time.Duration(0)
	for start := time.Now(); used < 20*time.Millisecond && time.Since(start) < 10*time.Second; {
		used = mustRead(t).CPU - before.CPU
	}
	if used < 20*time.Millisecond || used > 10*time.Second {
		t.Errorf("%v of CPU time", used)
	}
	if before.Memory < 1<<20 || before.MemoryPeak < before.Memory {
		t.Errorf("%d bytes, at most %d", before.Memory, before.MemoryPeak)
	}
}

func mustRead(t *testing.T) Usage {
	t.Helper()
	u, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestReadNobody(t *testing.T) {
	if u, err := Read(1 << 30); err == nil {
		t.Errorf("a process that is not there uses %+v", u)
	}
}
