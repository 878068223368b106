package load

import (
	"net"
	"net/url"
	"os"
	"testing"
	"time"
)

// TestMeter measures the test itself.
func TestMeter(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// Busy for as long as it takes: others may have the processor.
	used := time.Duration(0)
	for start := time.Now(); used < 20*time.Millisecond && time.Since(start) < 10*time.Second; {
		after, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		used = time.Duration(after - before)
	}
	if used < 20*time.Millisecond || used > 10*time.Second {
		t.Errorf("%v of CPU time", used)
	}
	now, peak, err := residentMemory(os.Getpid())
	if err != nil || now < 1<<20 || peak < now {
		t.Errorf("%d bytes, at most %d, %v", now, peak, err)
	}
}

func TestMeterOfNobody(t *testing.T) {
	const nobody = 1 << 30
	if _, err := cpuTime(nobody); err == nil {
		t.Error("CPU time of a process that is not there")
	}
	if _, _, err := residentMemory(nobody); err == nil {
		t.Error("memory of a process that is not there")
	}
	o := newFakeServer(t).options(Raw)
	o.PID = nobody
	if _, err := Run(t.Context(), o); err == nil {
		t.Error("a run that measures a process that is not there")
	}
}

// TestSourceAddresses checks that ports do not run out.
func TestSourceAddresses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := newDialer(t.Context(), &url.URL{Scheme: "ws", Host: l.Addr().String()}, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]string{0: "127.0.0.1", perSource - 1: "127.0.0.1", perSource: "127.0.0.2", 19_000: "127.0.0.3"} {
		c, err := d.dial(t.Context(), i, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.LocalAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("connection %d comes from %s, want %s", i, got, want)
		}
		_ = c.Close()
	}
}
