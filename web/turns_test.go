package web_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/web"
)

// Whatever may be answered at length waits for its turn, by every door, and all else
// goes on meanwhile.
func TestLargeAnswersWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: hub.Rules{{Match: "*", ServerPublish: true, Presence: true, History: hub.History{Size: 3, TTL: time.Hour}}}})
	})
	s.publish(t, "news", `"missed"`)
	at := cursorOf(place{"news", s.epoch(t, "news"), 0})
	doors := map[string]func() string{
		"stream": func() string { return s.firstEvents(t, "text/event-stream", at) },
		"poll":   func() string { return s.firstEvents(t, "application/json", at) },
	}
	for name, command := range map[string]string{
		"history":  `"history":{"channel":"room","limit":-1}`,
		"presence": `"presence":{"channel":"room"}`,
		"recovery": `"subscribe":{"channel":"news","recover":true}`,
	} {
		c := s.dialCentrifuge(t)
		c.say(sub(2, "room"))
		c.hear()
		doors[name] = func() string { c.say(`{"id":3,` + command + `}`); return c.hear() }
	}
	free := make(chan struct{})
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		taken := make(chan struct{})
		go web.Sessions(s.web).InTurn(func() { close(taken); <-free })
		<-taken
	}
	answers := make(chan string, len(doors))
	for name, ask := range doors {
		go func() { answers <- name + ": " + ask() }()
	}
	other := s.dialCentrifuge(t)
	other.say(sub(2, "news"))
	other.hear()
	s.publish(t, "news", `"live"`)
	if got := other.hear(); !strings.Contains(got, `"live"`) {
		t.Errorf("another client hears %s", got)
	}
	select {
	case got := <-answers:
		t.Errorf("out of its turn is answered %s", got)
	case <-time.After(50 * time.Millisecond):
	}
	close(free)
	for range doors {
		if got := <-answers; !strings.Contains(got, "missed") && !strings.Contains(got, `"history":{`) && !strings.Contains(got, `"presence":{`) {
			t.Errorf("answered %s", got)
		}
	}
}

// firstEvents is the beginning of what /events answers behind a cursor.
func (s *testServer) firstEvents(t *testing.T, accept, cursor string) string {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/events?channel=news&cursor="+cursor, nil)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Accept", accept)
	answer, err := s.client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text := make([]byte, 0, 4<<10)
	for !strings.Contains(string(text), "missed") && err == nil && len(text) < cap(text) {
		var n int
		n, err = answer.Body.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
	}
	return fmt.Sprint(string(text), err)
}
