package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/configs"
)

// TestPublishedData publishes data in its forms and looks at what arrives.
func TestPublishedData(t *testing.T) {
	server := runProgram(t, nil)
	cases := []struct {
		name, stdin, want string
		args              []string
		warning           bool
	}{
		{name: "text", args: []string{"Hello <b>&"}, want: `{"channel":"news","data":"Hello <b>&"}`},
		{name: "JSON", args: []string{`{"v": [1, 2]}`}, want: `{"channel":"news","data":{"v":[1,2]}}`},
		{name: "a JSON string", args: []string{`"quoted"`}, want: `{"channel":"news","data":"quoted"}`},
		{name: "a number", args: []string{"--", "-1"}, want: `{"channel":"news","data":-1}`},
		{name: "nothing", args: []string{""}, want: `{"channel":"news","data":""}`},
		{name: "nearly JSON", args: []string{`{"v":`}, want: `{"channel":"news","data":"{\"v\":"}`, warning: true},
		{name: "text from standard input", args: []string{"-"}, stdin: "two\nlines\r\n", want: `{"channel":"news","data":"two\nlines"}`},
		{name: "JSON from standard input", args: []string{"-"}, stdin: "{\n  \"v\": 1\n}\n", want: `{"channel":"news","data":{"v":1}}`},
		{name: "tags", args: []string{"x", "--tag", "a=1;b", "--tag", "c=d=e"}, want: `{"channel":"news","data":"x","tags":{"a":"1;b","c":"d=e"}}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			f := subscribe(t, "subscribed", "--server", string(server), "--json", "--count", "1", "news")
			got := belfry(t, tc.stdin, append([]string{"publish", "--server", string(server), "--key", testKey, "news"}, tc.args...)...)
			if got.code != 0 || got.out != "published to news\n" || (got.err != "") != tc.warning {
				t.Errorf("publish: got %+v", got)
			}
			f.exit()
			if diff := cmp.Diff(tc.want+"\n", f.out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPublishIsIdempotent(t *testing.T) {
	server := runProgram(t, nil)
	t.Setenv("BELFRY_SERVER", strings.TrimPrefix(string(server), "http://"))
	t.Setenv("BELFRY_API_KEY", testKey)
	f := subscribe(t, "subscribed", "--count", "2", "news")
	for range 3 {
		if got := belfry(t, "", "publish", "--idempotency-key", "once", "--json", "news", "first"); got != (result{out: "{}\n"}) {
			t.Errorf("publish: got %+v", got)
		}
	}
	belfry(t, "", "publish", "news", "second")
	f.exit()
	if got := f.out.String(); strings.Count(got, "first") != 1 || !strings.HasSuffix(got, "news  second\n") {
		t.Errorf("heard:\n%s", got)
	}
}

// TestPublishRefused looks at the one line that tells why nothing was published.
func TestPublishRefused(t *testing.T) {
	server := string(runProgram(t, func(c *configs.Config) {
		c.Channels = []configs.Channel{{Match: "news", Publish: []string{configs.Server}}, {Match: "quiet", Publish: []string{configs.Client}}}
		c.Limits.Body = 1 << 10
	}))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Errorf("the redirect was followed: %v", r.Header) }))
	defer elsewhere.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/moved/"):
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case strings.HasPrefix(r.URL.Path, "/away/"):
			http.Error(w, `{"error":{"code":100,"message":"the broker is away\u001b[31m"}}`, http.StatusServiceUnavailable)
		case strings.HasPrefix(r.URL.Path, "/centrifugo/"):
			_, _ = io.WriteString(w, `{"error":{"code":102,"message":"unknown channel"}}`)
		case strings.HasPrefix(r.URL.Path, "/broken/"):
			panic(http.ErrAbortHandler)
		default:
			_, _ = io.WriteString(w, "<html>")
		}
	}))
	defer other.Close()
	cases := []struct {
		name string
		args []string
		code int
		want string // one line
	}{
		{"no key", []string{"--server", server, "news", "x"}, 1, server + " wants an API key: give it with BELFRY_API_KEY or --key"},
		{"wrong key", []string{"--server", server, "--key", "hush", "news", "x"}, 1, server + " does not accept this API key: give the server's own with BELFRY_API_KEY or --key"},
		{"unknown channel", []string{"--server", server, "--key", testKey, "other", "x"}, 1, `no rule of the configuration matches "other"`},
		{"denied", []string{"--server", server, "--key", testKey, "quiet", "x"}, 1, "does not let the server publish"},
		{"too large", []string{"--server", server, "--key", testKey, "news", strings.Repeat("x", 2000)}, 1, "at most 1024 bytes are accepted (limits.body, BELFRY_LIMITS_BODY)"},
		{"not there", []string{"--server", nowhere(t), "news", "x"}, 1, "connection refused; is Belfry running there? --server URL or BELFRY_SERVER says where else"},
		{"broker away", []string{"--server", other.URL + "/away", "news", "x"}, 1, other.URL + `/away answers: the broker is away\x1b[31m; nothing was published, try again`},
		{"error with status 200", []string{"--server", other.URL + "/centrifugo/", "news", "x"}, 1, "answers: unknown channel"},
		{"another server", []string{"--server", other.URL, "news", "x"}, 1, "answers 200 OK, and not as Belfry does"},
		{"redirect", []string{"--server", other.URL + "/moved", "--key", "hush", "news", "x"}, 1, "answers 307 Temporary Redirect, and not as Belfry does"},
		{"broken off", []string{"--server", other.URL + "/broken", "news", "x"}, 1, "EOF; whether the message was published is not known"},
		{"not UTF-8", []string{"--server", server, "news", "-"}, 1, "the data is not valid UTF-8"},
		{"no channel name", []string{"", "x"}, 2, `channel "": it is empty`},
		{"long channel name", []string{strings.Repeat("c", 256), "x"}, 2, "at most 255 are accepted"},
		{"bad tag", []string{"news", "x", "--tag", "x"}, 2, "--tag"},
		{"no data", []string{"news"}, 2, "<data>"},
		{"another scheme", []string{"--server", "ftp://h", "news", "x"}, 2, "ftp:// is not spoken; want a URL such as http://localhost:40132"},
		{"a password in the address", []string{"--server", "http://ann:hush@h", "news", "x"}, 2, "has a name or a password in it"},
		{"no address", []string{"--server", "http://", "news", "x"}, 2, "want a URL such as"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := belfry(t, "\xff", append([]string{"publish"}, tc.args...)...)
			line, _, _ := strings.Cut(got.err, "\n")
			if got.code != tc.code || got.out != "" || !strings.Contains(line, tc.want) || strings.Contains(got.err, "hush") {
				t.Errorf("got %+v, want exit code %d and %q", got, tc.code, tc.want)
			}
			if lines := strings.Count(got.err, "\n"); lines != tc.code {
				t.Errorf("%d lines, want %d:\n%s", lines, tc.code, got.err)
			}
		})
	}
}

func TestPublishWithoutAnswer(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the server is reached by then
	defer cancel()
	_, err := api{serverURL(silent.URL), ""}.publish(ctx, publication{Channel: "news", Data: []byte("1")})
	if err == nil || !strings.Contains(err.Error(), "no answer") || !strings.Contains(err.Error(), "is not known") {
		t.Errorf("got %v", err)
	}
}

func TestReadAtMost(t *testing.T) {
	for _, n := range []int{0, 1024} {
		if got, err := readAtMost(strings.NewReader(strings.Repeat("x", n)), 1024); err != nil || len(got) != n {
			t.Errorf("%d bytes of 1024: got %d, %v", n, len(got), err)
		}
	}
	if _, err := readAtMost(strings.NewReader(strings.Repeat("x", 1025)), 1024); err == nil || !strings.Contains(err.Error(), "more than 1KiB") {
		t.Errorf("1025 bytes of 1024: got %v", err)
	}
	if _, err := readAtMost(io.MultiReader(strings.NewReader("x"), failing{}), 1024); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken input: got %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
