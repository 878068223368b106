package follow

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/web"
	"belfry/web/access"
	"belfry/web/token"
)

// belfry is a real server.
type belfry struct {
	hub      *hub.Hub
	web      *web.Server
	endpoint string
}

// signing is the key of its tokens.
var signing = token.Key{Name: "main", Algorithm: "HS256", Secret: "a-secret-of-tests-that-is-32-bytes"}

func newBelfry(t *testing.T) *belfry {
	t.Helper()
	rules := hub.Rules{
		{Match: "chat*", ServerPublish: true, History: hub.History{Size: 100}},
		{Match: "users", Subscribe: hub.WhoUser, ServerPublish: true, History: hub.History{Size: 100}},
		{Match: "*", ServerPublish: true},
	}
	h := hub.New(hub.Options{Rules: rules})
	v, err := token.New(token.Options{Keys: []token.Key{signing}, Endless: true})
	if err != nil {
		t.Fatal(err)
	}
	w := web.New(web.Options{Hub: h, APIKey: "key", Version: "test", Tokens: &access.Credentials{Verifier: v}})
	s := httptest.NewServer(w)
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = h.Run(ctx) })
	parts.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		closing, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		_ = w.Shutdown(closing)
		s.Close()
		cancel()
		parts.Wait()
	})
	return &belfry{h, w, "ws" + strings.TrimPrefix(s.URL, "http") + "/connection/websocket"}
}

// publish publishes so many messages to each channel.
func (b *belfry) publish(t *testing.T, n int, channels ...string) {
	t.Helper()
	for _, channel := range channels {
		for range n {
			if _, err := b.hub.Publish(t.Context(), channel, &hub.Message{Data: []byte(`"x"`)}, hub.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFollowers leave, miss messages and come back; then they miss more than the
// history holds.
func TestFollowers(t *testing.T) {
	t.Parallel()
	b := newBelfry(t)
	f, err := Open(t.Context(), b.endpoint, [][]string{{"chat-1", "chat-2"}, {"chat-2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Leave()
	want := func(came int64, faults Seen) {
		t.Helper()
		missing := f.Wait(t.Context(), came, hubtest.Patience)
		faults.Messages = came
		if seen := f.Seen(); missing != 0 || seen != faults {
			t.Fatalf("%d missing, seen %+v, want %+v", missing, seen, faults)
		}
	}
	b.publish(t, 2, "chat-1", "chat-2")
	want(6, Seen{})
	f.Leave()
	b.publish(t, 5, "chat-1", "chat-2")
	if err := f.Return(t.Context(), b.endpoint); err != nil {
		t.Fatal(err)
	}
	want(21, Seen{})
	f.Leave()
	b.publish(t, 101, "chat-1")
	if err := f.Return(t.Context(), b.endpoint); err != nil {
		t.Fatal(err)
	}
	want(21, Seen{Told: 1})
	b.publish(t, 1, "chat-1", "chat-2")
	want(24, Seen{Told: 1})
	if missing := f.Wait(t.Context(), 25, time.Millisecond); missing != 1 {
		t.Errorf("%d missing, want 1", missing)
	}
}

func TestFollowRefused(t *testing.T) {
	t.Parallel()
	endpoint := newBelfry(t).endpoint
	cases := []struct{ name, endpoint, channel, want string }{
		{"no history", endpoint, "news", "channel news has no history"},
		{"no token", endpoint, "users", "permission denied: a token is needed here"},
		{"no channel", endpoint, strings.Repeat("x", 256), "the server refuses a command"},
		{"no such path", strings.Replace(endpoint, "/connection", "/no", 1), "chat", "404"},
		{"another machine", "ws://192.0.2.1/", "chat", "another machine"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Open(t.Context(), tc.endpoint, [][]string{{tc.channel}}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v; want %q in it", err, tc.want)
			}
		})
	}
}

// TestFollower counts what a server does wrong, from offset 3 on.
func TestFollower(t *testing.T) {
	pub := func(offset int) string {
		return fmt.Sprintf(`{"push":{"channel":"c","pub":{"data":1,"offset":%d}}}`, offset)
	}
	answer := `{"id":2,"subscribe":{"epoch":"e","offset":9,"was_recovering":true}}`
	cases := []struct {
		name  string
		lines []string
		want  Seen
	}{
		{"in order", []string{pub(4), pub(5), `{"push":{"channel":"other","pub":{"offset":9}}}`}, Seen{Messages: 2}},
		{"passes two over", []string{pub(4), pub(7)}, Seen{Messages: 2, Missing: 2}},
		{"sends one twice", []string{pub(4), pub(4), pub(5)}, Seen{Messages: 2, Duplicated: 1}},
		{"sends 4 after 5", []string{pub(5), pub(4)}, Seen{Messages: 1, Missing: 1, Duplicated: 1}},
		{"tells of a loss", []string{`{"push":{"channel":"c","unsubscribe":{"code":2500}}}`}, Seen{Told: 1}},
		{"cannot recover", []string{answer, pub(10)}, Seen{Messages: 1, Told: 1}},
		{"recovers and overlaps", []string{
			`{"id":2,"subscribe":{"recovered":true,"offset":3,"was_recovering":true,"publications":[{"offset":4},{"offset":5}]}}`, pub(5), pub(6),
		}, Seen{Messages: 3, Duplicated: 1}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			team := new(Followers)
			f := newFollower(team, []string{"c"})
			team.all = append(team.all, f)
			f.channels[0].epoch, f.channels[0].offset = "e", 3
			f.Message([]byte(strings.Join(tc.lines, "\n")))
			if got := team.Seen(); got != tc.want || f.err != nil {
				t.Errorf("got %+v, %v, want %+v", got, f.err, tc.want)
			}
		})
	}
}

// TestFollowerOfUser shows its token, and tells when it has ended.
func TestFollowerOfUser(t *testing.T) {
	t.Parallel()
	b := newBelfry(t)
	text, err := token.Sign(signing, map[string]any{"sub": "ada"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(t.Context(), b.endpoint, [][]string{{"users"}, {"chat"}}, text)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Leave()
	select {
	case <-f.Ended(0):
		t.Fatal("it has ended")
	default:
	}
	f.all[0].leave()
	<-f.Ended(0)
}

// TestFollowerClosed counts a connection that the server ends.
func TestFollowerClosed(t *testing.T) {
	t.Parallel()
	b := newBelfry(t)
	f, err := Open(t.Context(), b.endpoint, [][]string{{"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.web.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.readers.Wait()
	if got := f.Seen(); got.Closed != 1 || got.Faults() != 1 {
		t.Errorf("got %+v, want one closed", got)
	}
}
