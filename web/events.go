package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"belfry/hub"
	"belfry/web/fault"
)

// GET /events?channel=a&channel=b is an event stream for EventSource, or with
// "Accept: application/json" a long-poll. What a client has heard is a cursor,
// and nothing of it is kept here between two requests: any node can go on.

// eventsWish is what a request to /events wants to hear.
type eventsWish struct {
	channels []string // each once
	since    cursor
	blind    bool // the client has heard something, and nobody knows what
}

// isGap reports whether a client has missed what cannot be had.
func (e *eventsWish) isGap(since *hub.Position, sub *hub.Subscription) bool {
	return e.blind || since != nil && !sub.Recovered
}

// events serves /events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	if err := s.admitEmulation(w, r, http.MethodGet); err != nil || r.Method == http.MethodOptions {
		return err
	}
	if err := fault.DiscardBody(w, r, maxCarryBody); err != nil {
		return err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.Field("query", "is not valid: "+err.Error())
	}
	wish, err := s.eventsWish(query)
	if err != nil {
		return err
	}
	poll := wantsJSON(r.Header)
	if err := wish.resume(r.Header, query, poll); err != nil {
		return err
	}
	if poll {
		return s.pollEvents(w, r, wish)
	}
	return s.streamEvents(w, r, wish, query.Has("pad"))
}

// eventsWish reads the channels of a query.
func (s *Server) eventsWish(query url.Values) (eventsWish, error) {
	var wish eventsWish
	for _, channel := range query["channel"] {
		if slices.Contains(wish.channels, channel) {
			continue
		}
		if len(wish.channels) == min(maxMarks, s.limits.Subscriptions) {
			return wish, s.tooManyChannels()
		}
		wish.channels = append(wish.channels, channel)
	}
	if len(wish.channels) == 0 {
		return wish, fault.Field("channel", "is missing: /events?channel=NAME is expected, with as many channels as you want to hear")
	}
	return wish, nil
}

// tooManyChannels names the limit that is the lower one.
func (s *Server) tooManyChannels() *fault.Error {
	if s.limits.Subscriptions < maxMarks {
		return errSubscriptionLimit
	}
	return fault.Newf(fault.Limit, "limit exceeded: the positions in at most %d channels fit into one cursor; use another stream for the rest", maxMarks)
}

// resume reads the cursor that the client has. The header comes first, because
// EventSource goes on asking for the URL it began with. A browser cannot mend the
// ID it remembers, and would give up for good on any status but 200; so on a
// stream an ID that makes no sense is a gap.
func (e *eventsWish) resume(h http.Header, query url.Values, poll bool) error {
	name, text := "Last-Event-ID", h.Get("Last-Event-ID")
	byHeader := text != ""
	for _, n := range []string{"cursor", "lastEventId", "last_event_id", "lastEventID"} {
		if text == "" {
			name, text = n, query.Get(n)
		}
	}
	if text == "" {
		return nil
	}
	var err error
	if e.since, err = parseCursor(text); err == nil {
		return nil
	}
	if byHeader && !poll {
		e.blind = true
		return nil
	}
	return fault.Field(name, err.Error())
}

// wantsJSON reports whether a request asks for JSON and not for an event stream.
func wantsJSON(h http.Header) bool {
	accept := strings.ToLower(strings.Join(h.Values("Accept"), ","))
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/event-stream")
}

// streamEvents answers with an event stream. What keeps it from doing so for a
// while is said in one too: EventSource comes back from the end of a stream, and
// not from a status.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request, wish eventsWish, pad bool) error {
	t, err := s.openCarried(r, plain{}, true, newEvents(wish))
	if err != nil {
		return s.sendBack(w, r, err)
	}
	c := &carrying{w: w, r: r, wrap: plain{}, session: t, preface: appendRetry(nil)}
	if pad {
		c.preface = appendPad(c.preface)
	}
	if err := s.stream(c); err != nil {
		t.vanish()
		return err
	}
	return nil
}

// sendBack answers a fault that will pass with a stream that ends, and returns
// any other.
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, err error) error {
	e := fault.From(err)
	if !e.Temporary {
		return err
	}
	s.faults.Log(e, err, "path", r.URL.Path, "remote", r.RemoteAddr)
	setStreamHeader(w.Header(), plain{})
	_, err = w.Write(appendPlainEnd(nil, e.Message))
	return err
}
