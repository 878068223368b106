package load

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files of testdata")

func goldenReports() map[string]*Report {
	latency := newHistogram()
	for i := range int64(1000) {
		record(latency, 90_000+i*i*30)
	}
	return map[string]*Report{
		"good": {
			Protocol: Centrifuge, Subscribers: 2000, Channels: 1, Publishers: 1, Size: 128, Rate: 20,
			Published: 100, Expected: 200_000, Delivered: 200_000, Seconds: 4.97, DeliveriesPerSecond: 40_241,
			Latency: newLatency(latency),
			Server: &Server{
				CPUSeconds: 1.6, CPUPerDelivery: 8, CPUPerConnection: 160.9,
				MemoryBefore: 13 << 20, Memory: 41 << 20, MemoryPeak: 42 << 20, MemoryPerConnection: 14.3 * 1024,
			},
		},
		"bad": {
			Protocol: Raw, Subscribers: 1, Channels: 1, Publishers: 1, Size: 64, Rate: 0.5,
			Published: 9, Refused: 1, Refusal: "413 too long", Expected: 9, Delivered: 6, Lost: 3, Duplicated: 2, OutOfOrder: 1,
			Closed: 3, CloseCodes: map[int]int{0: 2, 1008: 1}, Seconds: 20, DeliveriesPerSecond: 0.3,
			Stalled: &Stalled{Subscribers: 2, Evicted: 1, CloseCodes: map[int]int{3008: 1}},
			Churn: &Churn{
				Connections: 10, Joins: 500, Leaves: 499, Refused: 1, Skipped: 7, Delivered: 12_345,
				Lost: 4, Duplicated: 5, OutOfOrder: 6, Stray: 8, Join: newLatency(latency),
			},
		},
		"idle": {
			Protocol: Raw, Transport: Stream, Subscribers: 10_000, Channels: 1, Publishers: 1, Size: 128, Seconds: 60,
			Connect: newLatency(latency),
			Server:  &Server{CPUSeconds: 0.5, CPUPerConnect: 123.4, CPUPerConnection: 0.8, MemoryBefore: 13 << 20, Memory: 142 << 20, MemoryPeak: 142 << 20, MemoryPerConnection: 13_210},
		},
	}
}

func TestReportText(t *testing.T) {
	for name, report := range goldenReports() {
		t.Run(name, func(t *testing.T) {
			var got textBuffer
			if err := report.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "report_"+name+".txt")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got, -update rewrites %s:\n%s", file, diff)
			}
			if report.OK() != (name != "bad") {
				t.Errorf("OK is %v", report.OK())
			}
		})
	}
}

type textBuffer []byte

func (b *textBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func TestBars(t *testing.T) {
	h := newHistogram()
	for _, us := range []int64{3, 3, 40, 1_000_000} {
		record(h, us*1000)
	}
	got := bars(h)
	want := []Bar{{5, 2}, {10, 0}, {20, 0}, {50, 1}, {100, 0}, {200, 0}, {500, 0}, {1e3, 0}, {2e3, 0}, {5e3, 0}, {1e4, 0}, {2e4, 0}, {5e4, 0}, {1e5, 0}, {2e5, 0}, {5e5, 0}, {1e6, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDuration(t *testing.T) {
	for us, want := range map[float64]string{0.5: "0.5 µs", 999.4: "999 µs", 999.6: "1 ms", 12_340: "12.3 ms", 999_600: "1 s", 12_345_678: "12.3 s"} {
		if got := duration(us); got != want {
			t.Errorf("duration(%v) = %q, want %q", us, got, want)
		}
	}
}
