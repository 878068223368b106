package web_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
	"belfry/web"
)

// place is a position in a channel, for a cursor made by hand.
type place struct {
	channel, epoch string
	offset         uint64
}

func cursorOf(places ...place) string {
	raw := []byte{1}
	for _, p := range places {
		h := fnv.New32a()
		_, _ = io.WriteString(h, p.channel)
		raw = append(h.Sum(raw), byte(len(p.epoch)))
		raw = binary.AppendUvarint(append(raw, p.epoch...), p.offset)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// listener is a plain event stream.
type listener struct {
	t    testing.TB
	in   *bufio.Reader
	quit func()
}

// listen opens an event stream.
func (s *testServer) listen(t testing.TB, query string, headers ...string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/events?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); response.Body.Close() })
	h := response.Header
	if response.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store, no-transform" || h.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("%s: %s %v", query, response.Status, h)
	}
	return &listener{t, bufio.NewReader(response.Body), cancel}
}

// block reads up to an empty line, or returns what there is at the end.
func (l *listener) block() string {
	defer time.AfterFunc(hubtest.Patience, l.quit).Stop()
	var block strings.Builder
	for {
		line, err := l.in.ReadString('\n')
		block.WriteString(line)
		if err != nil || line == "\n" {
			return block.String()
		}
	}
}

// wants compares the next bytes.
func (l *listener) wants(want string) {
	l.t.Helper()
	got := make([]byte, len(want))
	defer time.AfterFunc(hubtest.Patience, l.quit).Stop()
	if _, err := io.ReadFull(l.in, got); err != nil || string(got) != want {
		l.t.Fatalf("got  %q (%v)\nwant %q", got, err, want)
	}
}

var retryLine = regexp.MustCompile(`^retry: (\d{3,4})\n\n$`)

// opens reads how each stream begins.
func (l *listener) opens() *listener {
	l.t.Helper()
	if block := l.block(); !retryLine.MatchString(block) {
		l.t.Fatalf("a stream begins with %q", block)
	}
	return l
}

// eachHTTP runs a test on HTTP/1.1 and on HTTP/2.
func eachHTTP(t *testing.T, test func(t *testing.T, client *http.Client)) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(protocol, func(t *testing.T) { test(t, httpClient(t, protocol)) })
	}
}

func TestEventsOfOneChannel(t *testing.T) {
	eachHTTP(t, func(t *testing.T, client *http.Client) {
		s := newRememberingServer(t)
		s.client = client
		epoch := s.epoch(t, "news")
		at := func(n uint64) string { return cursorOf(place{"news", epoch, n}) }
		l := s.listen(t, "channel=news&channel=news").opens()
		l.wants("id: " + at(0) + "\n\n")
		s.publish(t, "news", `{"a": [1, "\n<&"]}`)
		l.wants("id: " + at(1) + "\ndata: {\"channel\":\"news\",\"data\":{\"a\":[1,\"\\n<&\"]},\"offset\":1}\n\n")
		s.call(t, "/api/publish", `{"channel":"news","data":null,"tags":{"k":"v"}}`, "X-API-Key", testKey)
		l.wants("id: " + at(2) + "\ndata: {\"channel\":\"news\",\"data\":null,\"tags\":{\"k\":\"v\"},\"offset\":2}\n\n")
		s.call(t, "/api/publish", `{"channel":"news","data":"passing","skip_history":true}`, "X-API-Key", testKey)
		l.wants("data: {\"channel\":\"news\",\"data\":\"passing\"}\n\n")
		off := s.listen(t, "channel=off&pad").opens()
		off.wants(":" + strings.Repeat(" ", 2<<10) + "\n")
		s.publish(t, "off", `1`)
		off.wants("data: {\"channel\":\"off\",\"data\":1}\n\n")
	})
}

func TestEventsOfSeveralChannels(t *testing.T) {
	eachHTTP(t, func(t *testing.T, client *http.Client) {
		s := newRememberingServer(t)
		s.client = client
		ea, eb := s.epoch(t, "a"), s.epoch(t, "b")
		at := func(a, b uint64) string { return cursorOf(place{"a", ea, a}, place{"b", eb, b}) }
		l := s.listen(t, "channel=a&channel=b&channel=off").opens()
		l.wants("id: " + at(0, 0) + "\n\n")
		s.publish(t, "b", "1")
		l.wants("id: " + at(0, 1) + "\ndata: {\"channel\":\"b\",\"data\":1,\"offset\":1}\n\n")
		s.publish(t, "a", "2")
		l.wants("id: " + at(1, 1) + "\ndata: {\"channel\":\"a\",\"data\":2,\"offset\":1}\n\n")
		s.publish(t, "off", "3")
		l.wants("data: {\"channel\":\"off\",\"data\":3}\n\n")
		l.quit()
		s.publish(t, "a", "4")
		s.publish(t, "b", "5")
		l = s.listen(t, "channel=a&channel=b&channel=off", "Last-Event-ID", at(0, 1)).opens()
		l.wants("id: " + at(0, 1) + "\n\n" +
			"id: " + at(1, 1) + "\ndata: {\"channel\":\"a\",\"data\":2,\"offset\":1}\n\n" +
			"id: " + at(2, 1) + "\ndata: {\"channel\":\"a\",\"data\":4,\"offset\":2}\n\n" +
			"id: " + at(2, 2) + "\ndata: {\"channel\":\"b\",\"data\":5,\"offset\":2}\n\n")
		s.publish(t, "b", "6")
		l.wants("id: " + at(2, 3) + "\ndata: {\"channel\":\"b\",\"data\":6,\"offset\":3}\n\n")
	})
}

// TestEventsResume has five messages, three of which are remembered.
func TestEventsResume(t *testing.T) {
	s := newRememberingServer(t)
	for i := range 5 {
		s.publish(t, "news", fmt.Sprint(i+1))
	}
	epoch := s.epoch(t, "news")
	at := func(n uint64) string { return cursorOf(place{"news", epoch, n}) }
	missed := "id: " + at(4) + "\n\n" + "id: " + at(5) + "\ndata: {\"channel\":\"news\",\"data\":5,\"offset\":5}\n\n"
	gap := "event: belfry.gap\nid: " + at(5) + "\ndata: {\"channels\":[\"news\"]}\n\n"
	now := "id: " + at(5) + "\n\n"
	cases := []struct{ name, query, header, want string }{
		{"header", "", at(4), missed},
		{"header before query", "&lastEventId=" + at(5), at(4), missed},
		{"cursor", "&cursor=" + at(4), "", missed},
		{"lastEventId", "&lastEventId=" + at(4), "", missed},
		{"last_event_id", "&last_event_id=" + at(4), "", missed},
		{"lastEventID", "&lastEventID=" + at(4), "", missed},
		{"nothing missed", "", at(5), now},
		{"missed too much", "", at(1), gap},
		{"the future", "", at(6), gap},
		{"another epoch", "", cursorOf(place{"news", "other", 4}), gap},
		{"of other channels", "", cursorOf(place{"chat", epoch, 1}), now},
		{"of no channel", "", cursorOf(), now},
		{"of something else", "", "urn:uuid:4711", gap},
		{"too long", "", strings.Repeat("A", 5000), gap},
		{"of a later version", "", base64.RawURLEncoding.EncodeToString([]byte{2}), gap},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l := s.listen(t, "channel=news"+tc.query, "Last-Event-ID", tc.header).opens()
			l.wants(tc.want)
			s.call(t, "/api/publish", `{"channel":"news","data":"live","skip_history":true}`, "X-API-Key", testKey)
			l.wants("data: {\"channel\":\"news\",\"data\":\"live\"}\n\n")
			if tc.want == missed {
				tc.want = `{"events":[{"channel":"news","data":5,"offset":5}],"cursor":"` + at(5) + `"}`
			} else if tc.want == gap {
				tc.want = `{"events":[],"cursor":"` + at(5) + `","gap":["news"]}`
			} else {
				return // a poll waits
			}
			status, got := s.poll(t, "channel=news"+tc.query, "Last-Event-ID", tc.header)
			if _, bad := map[string]bool{"of something else": true, "too long": true, "of a later version": true}[tc.name]; bad {
				if status != 400 || !strings.Contains(got, "Last-Event-ID: a cursor is expected") {
					t.Errorf("poll: %d %s", status, got)
				}
			} else if status != 200 || got != tc.want {
				t.Errorf("poll: %d %s\nwant %s", status, got, tc.want)
			}
		})
	}
}

// poll makes one long-poll.
func (s *testServer) poll(t testing.TB, query string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/events?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	status, _, body := do(t, r)
	return status, body
}

func TestEventsRefuses(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "n*"}, {Match: "m*"}}})
	})
	few := newTestServer(t, func(o *web.Options) { o.Limits.Subscriptions = 2 })
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf("channel=n%d", i))
	}
	cases := []struct {
		name   string
		server *testServer
		method string
		query  string
		header [2]string
		status int
		want   string
	}{
		{"no channel", s, "GET", "", [2]string{}, 400, "channel: is missing"},
		{"empty channel", s, "GET", "channel=", [2]string{}, 400, "channel: it is empty"},
		{"long channel", s, "GET", "channel=" + strings.Repeat("n", 256), [2]string{}, 400, "at most 255"},
		{"control character", s, "GET", "channel=n%0a", [2]string{}, 400, "control character"},
		{"unknown channel", s, "GET", "channel=news&channel=chat", [2]string{}, 404, "no rule"},
		{"too many", s, "GET", strings.Join(many, "&"), [2]string{}, 400, "at most 32 channels"},
		{"over the limit", few, "GET", "channel=a&channel=b&channel=c", [2]string{}, 400, "limits.subscriptions"},
		{"bad query", s, "GET", "channel=%zz", [2]string{}, 400, "query: "},
		{"bad cursor", s, "GET", "channel=n&cursor=@", [2]string{}, 400, "cursor: a cursor is expected"},
		{"bad ID in the query", s, "GET", "channel=n&lastEventId=@", [2]string{}, 400, "lastEventId: a cursor is expected"},
		{"long cursor", s, "GET", "channel=n&cursor=" + strings.Repeat("A", 1025), [2]string{}, 400, "at most 1024 bytes"},
		{"POST", s, "POST", "channel=n", [2]string{}, 405, "GET, HEAD, OPTIONS are"},
		{"origin", s, "GET", "channel=n", [2]string{"Origin", "http://evil.example"}, 403, "origin not allowed"},
		{"origin of a preflight", s, "OPTIONS", "channel=n", [2]string{"Origin", "http://evil.example"}, 403, "origin not allowed"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			for _, accept := range []string{"text/event-stream", "application/json"} {
				r, _ := http.NewRequestWithContext(t.Context(), tc.method, tc.server.URL+"/events?"+tc.query, nil)
				r.Header.Set("Accept", accept)
				if tc.header[0] != "" {
					r.Header.Set(tc.header[0], tc.header[1])
				}
				if status, _, body := do(t, r); status != tc.status || !strings.Contains(body, tc.want) {
					t.Errorf("%s: %d %s, want %d %s", accept, status, body, tc.status, tc.want)
				}
			}
		})
	}
}

func TestEventsOrigin(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { o.Origins = []string{"https://page.example"} })
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.URL+"/events?channel=news", nil)
	r.Header.Set("Origin", "https://page.example")
	r.Header.Set("Access-Control-Request-Headers", "last-event-id")
	status, h, _ := do(t, r)
	if status != 204 || h.Get("Access-Control-Allow-Origin") != "https://page.example" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Last-Event-ID") {
		t.Errorf("preflight: %d %v", status, h)
	}
	s.listen(t, "channel=news", "Origin", "https://page.example").opens()
}

// TestEventsGapWithoutHistory has the node miss messages of a channel that keeps none.
func TestEventsGapWithoutHistory(t *testing.T) {
	s := newCluster(t, []hub.Broker{hub.NewMemoryBroker()})[0]
	l := s.listen(t, "channel=off").opens()
	answer := make(chan string, 1)
	go func() {
		_, body := s.poll(t, "channel=off")
		answer <- body
	}()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("off") == 2 }, "two subscribers")
	s.hub.HandleGap([]string{"off"})
	l.wants("event: belfry.gap\ndata: {\"channels\":[\"off\"]}\n\n")
	if got, want := <-answer, `{"events":[],"cursor":"AQ","gap":["off"]}`; got != want {
		t.Errorf("poll: %s, want %s", got, want)
	}
	s.call(t, "/api/publish", `{"channel":"off","data":"live"}`, "X-API-Key", testKey)
	l.wants("data: {\"channel\":\"off\",\"data\":\"live\"}\n\n")
}

// TestEventsLoss loses messages for good while a stream and a poll are open.
func TestEventsLoss(t *testing.T) {
	for _, channels := range []string{"channel=news", "channel=news&channel=off"} {
		broker := &forgottenBroker{MemoryBroker: hub.NewMemoryBroker()}
		s := newCluster(t, []hub.Broker{broker})[0]
		epoch := s.epoch(t, "news")
		l := s.listen(t, channels).opens()
		l.wants("id: " + cursorOf(place{"news", epoch, 0}) + "\n\n")
		answer := make(chan string, 1)
		go func() {
			_, body := s.poll(t, channels)
			answer <- body
		}()
		hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("news") == 2 }, "two subscribers")
		broker.lost.Store(true)
		s.hub.HandleGap([]string{"news"})
		l.wants("event: belfry.gap\ndata: {\"channels\":[\"news\"]}\n\n")
		if got, want := <-answer, `{"events":[],"cursor":"`+cursorOf(place{"news", epoch, 0})+`"}`; got != want {
			t.Errorf("poll: %s, want %s", got, want)
		}
		after := cursorOf(place{"news", "another", 7})
		_, got := s.poll(t, channels+"&cursor="+cursorOf(place{"news", epoch, 0}))
		if want := `{"events":[],"cursor":"` + after + `","gap":["news"]}`; got != want {
			t.Errorf("next poll: %s, want %s", got, want)
		}
		s.listen(t, channels, "Last-Event-ID", cursorOf(place{"news", epoch, 0})).opens().
			wants("event: belfry.gap\nid: " + after + "\ndata: {\"channels\":[\"news\"]}\n\n")
		if err := s.hub.RemoveHistory(t.Context(), "off"); err != nil { // the subscription goes on
			t.Error(err)
		}
		s.call(t, "/api/publish", `{"channel":"news","data":"live","skip_history":true}`, "X-API-Key", testKey)
		l.wants("data: {\"channel\":\"news\",\"data\":\"live\"}\n\n")
	}
}

// TestEventsAfterRemoval comes back when the history was removed.
func TestEventsAfterRemoval(t *testing.T) {
	s := newRememberingServer(t)
	s.publish(t, "news", "1")
	s.publish(t, "news", "2")
	if err := s.hub.RemoveHistory(t.Context(), "news"); err != nil {
		t.Fatal(err)
	}
	epoch := s.epoch(t, "news")
	l := s.listen(t, "channel=other&channel=news", "Last-Event-ID", cursorOf(place{"news", epoch, 1})).opens()
	other := s.epoch(t, "other")
	l.wants("event: belfry.gap\nid: " + cursorOf(place{"other", other, 0}, place{"news", epoch, 2}) + "\ndata: {\"channels\":[\"news\"]}\n\n")
	s.publish(t, "news", "3")
	l.wants("id: " + cursorOf(place{"other", other, 0}, place{"news", epoch, 3}) + "\ndata: {\"channel\":\"news\",\"data\":3,\"offset\":3}\n\n")
}

func TestEventsDraining(t *testing.T) {
	t.Parallel()
	eachHTTP(t, func(t *testing.T, client *http.Client) {
		s := newRememberingServer(t)
		s.client = client
		epoch := s.epoch(t, "news")
		l := s.listen(t, "channel=news").opens()
		l.block()
		answer := make(chan string, 1)
		go func() {
			_, body := s.poll(t, "channel=news")
			answer <- body
		}()
		hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("news") == 2 }, "two subscribers")
		ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
		defer cancel()
		if err := s.web.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		goes := regexp.MustCompile(`^: (the )?server is going down(, come back)?\nretry: \d{3,4}\n\n$`)
		if got := l.block(); !goes.MatchString(got) || l.block() != "" {
			t.Errorf("the stream ends with %q", got)
		}
		if got, want := <-answer, `{"events":[],"cursor":"`+cursorOf(place{"news", epoch, 0})+`"}`; got != want {
			t.Errorf("poll: %s, want %s", got, want)
		}
		l = s.listen(t, "channel=news")
		if got := l.block(); !goes.MatchString(got) || l.block() != "" {
			t.Errorf("a new stream says %q", got)
		}
		if status, body := s.poll(t, "channel=news"); status != 503 {
			t.Errorf("a new poll: %d %s", status, body)
		}
	})
}

// TestEventsPollInParts has more to answer than fits.
func TestEventsPollInParts(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Limits.Buffer = 64 << 10
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 100}}}})
	})
	cursor := cursorOf(place{"a", s.epoch(t, "a"), 0}, place{"b", s.epoch(t, "b"), 0})
	for range 5 {
		s.publish(t, "a", fmt.Sprintf("%q", strings.Repeat("x", 30<<10)))
		s.publish(t, "b", fmt.Sprintf("%q", strings.Repeat("y", 100<<10)))
	}
	var sizes []int
	for total := 0; total < 10; {
		answer := s.pollFrom(t, "channel=a&channel=b", cursor)
		cursor = answer.Cursor
		total += len(answer.Events)
		sizes = append(sizes, len(answer.Events))
	}
	if got := fmt.Sprint(sizes); got != "[2 2 1 1 1 1 1 1]" {
		t.Errorf("answers have %s messages", got)
	}
}

// pollAnswer is the answer to a poll.
type pollAnswer struct {
	Events []struct {
		Channel string
		Data    json.RawMessage
	}
	Cursor string
	Gap    []string
}

func (s *testServer) pollFrom(t testing.TB, channels, cursor string) (a pollAnswer) {
	t.Helper()
	status, body := s.poll(t, channels+"&cursor="+url.QueryEscape(cursor))
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 || len(a.Gap) > 0 {
		t.Fatalf("poll: %d %.300s %v", status, body, err)
	}
	return a
}

// lasting has a history that no test here fills.
func lasting(o *web.Options, b hub.Broker) {
	o.Hub = hub.New(hub.Options{Broker: b, Rules: hub.Rules{{Match: "*", ServerPublish: true, History: hub.History{Size: 2000}}}})
}

// TestEventsPollLoop polls now one node and now another, while messages are
// published on two channels: all come, once and in order.
func TestEventsPollLoop(t *testing.T) {
	t.Parallel()
	for name, brokers := range map[string]func(*testing.T) []hub.Broker{
		"one node": func(*testing.T) []hub.Broker { return []hub.Broker{hub.NewMemoryBroker()} },
		"Redis":    func(t *testing.T) []hub.Broker { return redisBrokers(t, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			const n = 300
			i, all := 0, brokers(t)
			nodes := newCluster(t, all, func(o *web.Options) { lasting(o, all[i]); i++ })
			cursor := cursorOf(place{"a", nodes[0].epoch(t, "a"), 0}, place{"b", nodes[0].epoch(t, "b"), 0})
			var polls atomic.Int64
			published := publishNumbers(t, last(nodes), n, &polls)
			next := map[string]int{}
			for ; next["a"] < n || next["b"] < n; polls.Add(1) {
				a := nodes[int(polls.Load())%len(nodes)].pollFrom(t, "channel=a&channel=b", cursor)
				for _, e := range a.Events {
					if got := string(e.Data); got != fmt.Sprint(next[e.Channel]) {
						t.Fatalf("%s: heard %s, want %d", e.Channel, got, next[e.Channel])
					}
					next[e.Channel]++
				}
				cursor = a.Cursor
			}
			<-published
			t.Logf("%d polls", polls.Load())
		})
	}
}

// publishNumbers publishes 0 to n-1 on the channels a and b, fifty for each request
// that was made by then, at most.
func publishNumbers(t *testing.T, s *testServer, n int, requests *atomic.Int64) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			for requests.Load() < int64(i/50) && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
			for _, channel := range []string{"a", "b"} {
				if _, err := s.hub.Publish(context.WithoutCancel(t.Context()), channel, &hub.Message{Data: fmt.Append(nil, i)}, hub.PublishOptions{}); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(func() { <-done })
	return done
}

// TestEventsCuts reads two channels while every connection is cut again and
// again, and comes back now to one node and now to another.
func TestEventsCuts(t *testing.T) {
	t.Parallel()
	eachHTTP(t, func(t *testing.T, client *http.Client) {
		for name, brokers := range map[string]func(*testing.T) []hub.Broker{
			"one node": func(*testing.T) []hub.Broker { return []hub.Broker{hub.NewMemoryBroker()} },
			"Redis":    func(t *testing.T) []hub.Broker { return redisBrokers(t, 2) },
		} {
			t.Run(name, func(t *testing.T) {
				const n = 500
				i, all := 0, brokers(t)
				nodes := newCluster(t, all, func(o *web.Options) { lasting(o, all[i]); i++ })
				proxy := hubtest.NewProxy(t, nodes[0].Listener.Addr().String())
				f := follower{t: t, client: client, url: "http://" + proxy.Addr() + "/events?channel=a&channel=b", next: map[string]int{}}
				f.id = cursorOf(place{"a", nodes[0].epoch(t, "a"), 0}, place{"b", nodes[0].epoch(t, "b"), 0})
				var requests atomic.Int64
				published := publishNumbers(t, last(nodes), n, &requests)
				stop := time.AfterFunc(hubtest.Patience, func() { t.Errorf("not done in %v", hubtest.Patience) })
				defer stop.Stop()
				ctx, cancel := context.WithCancel(t.Context())
				cutting := make(chan struct{})
				go func() {
					defer close(cutting)
					for at, before := 0, int64(0); ctx.Err() == nil; {
						time.Sleep(40 * time.Millisecond)
						proxy.SetTarget(nodes[at%len(nodes)].Listener.Addr().String())
						// Not before something has come: on a busy machine nothing would.
						if heard := f.heard.Load(); heard > before && proxy.Cut() > 0 {
							before = heard
							at++
						}
					}
				}()
				for ; f.next["a"] < n || f.next["b"] < n; requests.Add(1) {
					f.request(n)
				}
				cancel()
				<-cutting
				<-published
				t.Logf("%d requests", requests.Load())
			})
		}
	})
}

// follower is what EventSource does, without its pauses.
type follower struct {
	t       *testing.T
	client  *http.Client
	url, id string
	next    map[string]int
	heard   atomic.Int64 // messages
}

// request makes one request and takes what it brings, up to n messages each.
func (f *follower) request(n int) {
	r, _ := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.url, nil)
	r.Header.Set("Last-Event-ID", f.id)
	response, err := f.client.Do(r)
	if err != nil {
		time.Sleep(time.Millisecond)
		return
	}
	defer response.Body.Close()
	in := bufio.NewReader(response.Body)
	var id, data string
	for f.next["a"] < n || f.next["b"] < n {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "id: "):
			id = strings.TrimSpace(line[4:])
		case strings.HasPrefix(line, "data: "):
			data = line[6:]
		case strings.HasPrefix(line, "event: "):
			f.t.Fatalf("%s after %s", line, f.id)
		case line == "\n" && id != "":
			f.take(id, data)
			data = ""
		}
	}
}

func (f *follower) take(id, data string) {
	f.t.Helper()
	f.id = id
	if data == "" {
		return
	}
	var e struct {
		Channel string
		Data    int
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil || e.Data != f.next[e.Channel] {
		f.t.Fatalf("heard %q (%v), want %v", data, err, f.next)
	}
	f.next[e.Channel]++
	f.heard.Add(1)
}

// TestEventsDeafClientIsEvicted has a client that does not read beside one that
// does.
func TestEventsDeafClientIsEvicted(t *testing.T) {
	t.Parallel()
	for _, channels := range []string{"channel=news", "channel=news&channel=off"} {
		s := newTestServer(t, withSmallBuffer)
		fmt.Fprintf(s.dialDeaf(t), "GET /events?%s HTTP/1.1\r\nHost: x\r\n\r\n", channels)
		native := s.dial(t, "/ws/news")
		hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("news") == 2 }, "two subscribers")
		s.evictDeaf(t, func(string) { native.hear() })
		hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("news") == 1 }, "one subscriber")
	}
}

// TestEventsPresence counts a stream among the clients of a channel, and no poll.
func TestEventsPresence(t *testing.T) {
	s := newTestServer(t, nil)
	clients := func(n float64) func() bool {
		return func() bool { return s.api(t, "presence_stats", `{"channel":"chat"}`)["num_clients"] == n }
	}
	l := s.listen(t, "channel=chat&channel=news").opens()
	l.wants("id: ")
	hubtest.Eventually(t, hubtest.Patience, clients(1), "one client")
	l.quit()
	hubtest.Eventually(t, hubtest.Patience, clients(0), "no client")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/events?channel=chat", nil)
	r.Header.Set("Accept", "application/json")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if response, err := s.client.Do(r); err == nil {
			response.Body.Close()
		}
	}()
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("chat") == 1 }, "a poll")
	if !clients(0)() {
		t.Error("a poll is a client")
	}
	cancel()
	<-done
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.NumSubscribers("chat") == 0 }, "the poll has gone")
}

// TestEventsBrokerAway has clients come back while the broker is away: a stream
// is told to try again, in a way that EventSource does not take for the end.
func TestEventsBrokerAway(t *testing.T) {
	redis := hubtest.Redis(t)
	b, err := redisbroker.New(redisbroker.Options{URL: redis.URL()})
	if err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, func(o *web.Options) { lasting(o, b) })
	hubtest.Eventually(t, hubtest.Patience, func() bool { return s.hub.Ready(t.Context()) == nil }, "ready")
	id := cursorOf(place{"news", s.epoch(t, "news"), 0})
	redis.Stop()
	l := s.listen(t, "channel=news", "Last-Event-ID", id)
	if got := l.block(); !regexp.MustCompile(`^: .*broker is away.*\nretry: \d+\n\n$`).MatchString(got) || l.block() != "" {
		t.Errorf("stream: %q", got)
	}
	if status, body := s.poll(t, "channel=news&cursor="+id); status != 503 {
		t.Errorf("poll: %d %s", status, body)
	}
}
