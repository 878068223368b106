package main

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/configs"
	"belfry/hub/hubtest"
)

// TestSubscribePrints hears messages of every kind, for people and for programs.
func TestSubscribePrints(t *testing.T) {
	server := string(runProgram(t, nil))
	people := subscribe(t, "subscribed to a, channel at "+server+"\n", "--server", server, "--count", "4", "a", "channel", "a")
	programs := subscribe(t, "subscribed", "--server", server, "--json", "--count", "4", "a", "channel")
	published := 0
	publish := func(args ...string) {
		if got := belfry(t, "", append([]string{"publish", "--server", server, "--key", testKey}, args...)...); got.code != 0 {
			t.Fatalf("publish %q: %+v", args, got)
		}
		published++
		// Two channels have no order among one another.
		hubtest.Eventually(t, hubtest.Patience, func() bool {
			return strings.Count(people.out.String(), "\n") == published && strings.Count(programs.out.String(), "\n") == published
		}, "both have printed it")
	}
	publish("a", "text")
	publish("channel", `{"v": [1]}`)
	publish("a", "two\nlines, \x1b[31mred", "--tag", "k=v")
	publish("channel", "null")
	if code := people.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	programs.exit()

	clock := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d\d\d  `)
	want := "a        text\n" + `channel  {"v":[1]}` + "\n" + `a        two\nlines, \x1b[31mred` + "\n" + "channel  null\n"
	if diff := cmp.Diff(want, clock.ReplaceAllString(people.out.String(), "")); diff != "" {
		t.Errorf("for people -want +got:\n%s", diff)
	}
	want = `{"channel":"a","data":"text"}` + "\n" + `{"channel":"channel","data":{"v":[1]}}` + "\n" +
		`{"channel":"a","data":"two\nlines, \u001b[31mred","tags":{"k":"v"}}` + "\n" + `{"channel":"channel","data":null}` + "\n"
	if diff := cmp.Diff(want, programs.out.String()); diff != "" {
		t.Errorf("for programs -want +got:\n%s", diff)
	}
}

func TestSubscribePrintsTheRest(t *testing.T) {
	var out output
	m := message{Channel: "c", Data: json.RawMessage(`"<&>"`), Offset: 7, Info: json.RawMessage(`{"user":"u","client":"c"}`)}
	if err := printJSON(&out)(m); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `{"channel":"c","data":"<&>","offset":7,"info":{"user":"u","client":"c"}}`+"\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestPrintable(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"plain", `späte Grüße ✓ 👩‍💻 \n`, `späte Grüße ✓ 👩‍💻 \n`},
		{"lines", "a\r\nb\tc", `a\r\nb\tc`},
		{"escape", "\x1b]0;title\a", `\x1b]0;title\a`},
		{"C1 and DEL", "\u009b31m\x7f", `\u009b31m\x7f`},
		{"direction", "a\u202eb\u2066", `a\u202eb\u2066`},
		{"separators", "\u2028\u2029", `\u2028\u2029`},
		{"not UTF-8", "a\xffb", "a�b"},
		{"not UTF-8 among others", "a\xff\n", `a�\n`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := printable(tc.text); got != tc.want {
				t.Errorf("printable(%q) = %s, want %s", tc.text, got, tc.want)
			}
		})
	}
}

func TestSubscribeRefused(t *testing.T) {
	server := string(runProgram(t, func(c *configs.Config) {
		c.Channels = []configs.Channel{{Match: "news", Publish: []string{configs.Server}}}
	}))
	f := subscribe(t, "subscribed to news at", "--server", server, "--count", "1", "secret", "news")
	f.says(&f.err, `belfry: not subscribed to secret: unknown channel`)
	belfry(t, "", "publish", "--server", server, "--key", testKey, "news", "x")
	if code := f.exit(); code != 0 || !strings.HasSuffix(f.out.String(), "news    x\n") {
		t.Errorf("one channel of two: exit code %d, heard %q", code, &f.out)
	}
	got := belfry(t, "", "subscribe", "--server", server, "a", "b")
	if got.code != 1 || !strings.HasSuffix(got.err, "belfry: no channel is left to follow\n") || strings.Count(got.err, "not subscribed to") != 2 {
		t.Errorf("no channel of two: got %+v", got)
	}
}

func TestSubscribeMakesNoSense(t *testing.T) {
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"no channel", nil, "<channel>"},
		{"empty channel", []string{"a", ""}, `channel "": it is empty`},
		{"negative count", []string{"--count", "-1", "a"}, "--count"},
		{"count of another kind", []string{"--count", "many", "a"}, "--count"},
		{"address", []string{"--server", "http://h?q", "a"}, "want a URL such as"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := belfry(t, "", append([]string{"subscribe"}, tc.args...)...)
			if got.code != 2 || !strings.Contains(got.err, tc.want) {
				t.Errorf("got %+v, want exit code 2 and %q", got, tc.want)
			}
		})
	}
}

// TestSubscribeEndsBySignal runs as a process.
func TestSubscribeEndsBySignal(t *testing.T) {
	server := runProgram(t, nil)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := start(t, nil, "subscribe", "--server", string(server), "date")
		p.says(&p.out, "GMT\n")
		p.signal(s)
		if code := p.exit(); code != 0 {
			t.Errorf("%v: exit code %d: %s", s, code, &p.err)
		}
	}
}

// TestSubscribeComesBack restarts the server.
func TestSubscribeComesBack(t *testing.T) {
	addr := "BELFRY_HTTP_ADDR=" + quietAddr(t)
	n := serve(t, addr)
	f := subscribe(t, "subscribed to date at", "--server", n.URL, "date")
	n.end()
	f.says(&f.err, "the server closed the connection: shutdown (close code 3001); trying again in")
	before := f.out.String()
	serve(t, addr)
	f.says(&f.err, "subscribed to date again, after")
	hubtest.Eventually(t, hubtest.Patience, func() bool { return len(f.out.String()) > len(before) }, "another date")
	f.cancel()
	if code := f.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSubscribeWaitsForServer starts before the server.
func TestSubscribeWaitsForServer(t *testing.T) {
	server := nowhere(t)
	f := subscribe(t, "cannot reach "+server+": connection refused; is Belfry running there? --server URL or BELFRY_SERVER says where else; trying again in", "--server", server, "--count", "1", "date")
	f.says(&f.err, "still the same; trying again in")
	serve(t, "BELFRY_HTTP_ADDR="+strings.TrimPrefix(server, "http://"))
	if code := f.exit(); code != 0 {
		t.Errorf("exit code %d: %s", code, &f.err)
	}
}

func TestSubscribeToFullDisk(t *testing.T) {
	full := errors.New("no space left")
	err := atMost(2, func(message) error { return full })(message{})
	if !errors.Is(err, full) || errors.Is(err, errEnough) {
		t.Errorf("got %v", err)
	}
}
