package main

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"belfry/cmd/internal/load"
)

const benchKey = "bench-test-key-0123"

// benchArgs are a short run against a server.
func benchArgs(n *node, more ...string) []string {
	args := []string{"bench", "--server", n.URL, "--subscribers", "30", "--channels", "3", "--messages", "60", "--rate", "300", "--warmup", "50ms"}
	return append(args, more...)
}

func TestBench(t *testing.T) {
	n := serve(t, "BELFRY_API_KEY="+benchKey)
	environ := []string{"BELFRY_API_KEY=" + benchKey}
	pid := strconv.Itoa(n.cmd.Process.Pid)
	cases := []struct {
		name string
		args []string
		want load.Report
	}{
		{"raw", []string{"--pid", pid}, load.Report{Protocol: load.Raw, Published: 60, Expected: 600, Delivered: 600}},
		{"centrifuge", []string{"--protocol", "centrifuge", "--publishers", "2"}, load.Report{Protocol: load.Centrifuge, Published: 60, Expected: 600, Delivered: 600}},
		{"over connections", []string{"--channel", "chat", "--channels", "1", "--publish-over", "connection"}, load.Report{Protocol: load.Raw, Published: 60, Expected: 1800, Delivered: 1800}},
		{"as another server", []string{"--url", strings.Replace(n.URL, "http", "ws", 1) + "/ws/{channel}", "--server", "http://127.0.0.1:1"}, load.Report{Protocol: load.Raw, Published: 60, Expected: 600, Delivered: 600}},
		{"churn", []string{"--protocol", "centrifuge", "--churn", "100"}, load.Report{Protocol: load.Centrifuge, Published: 60, Expected: 600, Delivered: 600}},
		{"events", []string{"--transport", "events", "--pid", pid}, load.Report{Protocol: load.Raw, Transport: load.Events, Published: 60, Expected: 600, Delivered: 600}},
		{"stream", []string{"--transport", "stream", "--publishers", "2"}, load.Report{Protocol: load.Raw, Transport: load.Stream, Published: 60, Expected: 600, Delivered: 600}},
		// More than the server keeps for a client that does not acknowledge, and
		// slowly enough for one that has little of the machine.
		{"much on streams", []string{"--transport", "stream", "--subscribers", "3", "--size", "60000", "--messages", "90", "--rate", "30"}, load.Report{Protocol: load.Raw, Transport: load.Stream, Published: 90, Expected: 90, Delivered: 90}},
		{"poll", []string{"--transport", "poll"}, load.Report{Protocol: load.Raw, Transport: load.Poll, Published: 60, Expected: 600, Delivered: 600}},
		{"idle streams", []string{"--transport", "stream", "--messages", "0", "--duration", "100ms"}, load.Report{Protocol: load.Raw, Transport: load.Stream}},
		{"idle", []string{"--messages", "0", "--duration", "100ms"}, load.Report{Protocol: load.Raw}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			p := start(t, environ, benchArgs(n, append(tc.args, "--json")...)...)
			if code := p.exit(); code != exitOK {
				t.Fatalf("exit code %d: %s", code, &p.err)
			}
			var got load.Report
			if err := json.Unmarshal([]byte(p.out.String()), &got); err != nil {
				t.Fatalf("%v in %s", err, &p.out)
			}
			if got.Protocol != tc.want.Protocol || got.Transport != cmp.Or(tc.want.Transport, load.WebSocket) || got.Published != tc.want.Published || got.Expected != tc.want.Expected || got.Delivered != tc.want.Delivered || !got.OK() {
				t.Errorf("got %s", &p.out)
			}
		})
	}
}

func TestBenchText(t *testing.T) {
	n := serve(t, "BELFRY_API_KEY="+benchKey)
	p := start(t, []string{"BELFRY_API_KEY=" + benchKey}, benchArgs(n)...)
	if code := p.exit(); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &p.err)
	}
	p.says(&p.out, `(?m)^30 subscribers, 3 channels over raw, 300 messages/s of 128 bytes, `)
	p.says(&p.out, `(?m)^  delivered +600  of 600, `)
	p.says(&p.out, `(?m)^  latency +p50 +p90 +p99 +p99\.9 +max$`)
	p.says(&p.err, `(?m)^warming up: \d+ of 30 subscribers$`)
}

func TestBenchFaults(t *testing.T) {
	n := serve(t, "BELFRY_API_KEY="+benchKey)
	cases := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"wrong key", benchArgs(n, "--key", "not-the-right-key"), exitFault, "publishing is refused: 401 Unauthorized"},
		{"channel not for clients", benchArgs(n, "--publish-over", "connection"), exitFault, "the server closed connections (code 1008: "},
		{"nobody there", []string{"bench", "--server", "http://127.0.0.1:1"}, exitFault, "cannot reach http://127.0.0.1:1: connection refused"},
		{"another machine", []string{"bench", "--server", "http://192.0.2.1"}, exitFault, "with --allow-remote"},
		{"no such process", benchArgs(n, "--pid", "1073741824"), exitFault, "measuring the server"},
		{"too small", benchArgs(n, "--size", "8"), exitUsage, "size: 8; want 38 to"},
		{"more channels than subscribers", benchArgs(n, "--channels", "31"), exitUsage, "channels: 31; want 1 to 30"},
		{"no protocol", benchArgs(n, "--protocol", "morse"), exitUsage, "protocol"},
		{"no transport", benchArgs(n, "--transport", "pigeon"), exitUsage, "transport"},
		{"centrifuge over poll", benchArgs(n, "--transport", "poll", "--protocol", "centrifuge"), exitUsage, "has to be raw"},
		{"published over streams", benchArgs(n, "--transport", "stream", "--publish-over", "connection"), exitUsage, "of the transport websocket"},
		{"churn over raw", benchArgs(n, "--churn", "5"), exitUsage, "churn"},
		{"no file of tokens", benchArgs(n, "--tokens", "no-such-file"), exitUsage, "no-such-file"},
		{"tokens over poll", benchArgs(n, "--tokens", "bench_test.go", "--transport", "poll"), exitUsage, "over the transport websocket alone"},
		{"tokens of nobody", benchArgs(n, "--tokens", "bench_test.go", "--protocol", "centrifuge"), exitFault, "tokens are not checked here"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			p := start(t, nil, tc.args...)
			if code := p.exit(); code != tc.code || !strings.Contains(p.err.String(), tc.want) || p.out.String() != "" {
				t.Errorf("exit code %d, want %d and %q; it said:\n%s", code, tc.code, tc.want, p.both())
			}
		})
	}
}

func TestProgressBar(t *testing.T) {
	for _, tc := range []struct {
		done, total int64
		want        int
	}{{0, 10, 0}, {5, 10, progressWidth / 2}, {10, 10, progressWidth}, {11, 10, progressWidth}, {0, 0, 0}} {
		if got := strings.Count(progressBar(tc.done, tc.total), "#"); got != tc.want {
			t.Errorf("%d of %d: %d, want %d", tc.done, tc.total, got, tc.want)
		}
	}
}
