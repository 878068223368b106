package events

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/carry"
	"belfry/web/fault"
	"belfry/web/session"
)

// Options are what a Server is made of.
type Options struct {
	Sessions *session.Registry
	Links    *carry.Links
	Origins  access.Origins
	Errors   fault.Answerer
}

// Server answers /events. Its methods are safe for several goroutines.
type Server struct {
	sessions *session.Registry
	links    *carry.Links
	origins  access.Origins
	errors   fault.Answerer
	limits   session.Limits
}

// New makes a server.
func New(o Options) *Server {
	return &Server{o.Sessions, o.Links, o.Origins, o.Errors, o.Sessions.Limits()}
}

// wish is what a request wants to hear.
type wish struct {
	channels []string // each once
	since    cursor
	blind    bool // the client has heard something, and nobody knows what
}

// isGap reports whether a client has missed what cannot be had.
func (e *wish) isGap(since *hub.Position, sub *hub.Subscription) bool {
	return e.blind || since != nil && !sub.Recovered
}

// maxBody is the largest body of a request, which needs none, in bytes.
const maxBody = 4 << 10

// Serve answers a request.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request) error {
	err := s.origins.AdmitMethods(w, r, http.MethodGet)
	if err != nil || r.Method == http.MethodOptions {
		return err
	}
	if err := fault.DiscardBody(w, r, maxBody); err != nil {
		return err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.Field("query", "is not valid: "+err.Error())
	}
	wanted, err := s.wish(query)
	if err != nil {
		return err
	}
	poll := wantsJSON(r.Header)
	if err := wanted.resume(r.Header, query, poll); err != nil {
		return err
	}
	if poll {
		return s.poll(w, r, wanted)
	}
	return s.stream(w, r, wanted, query.Has("pad"))
}

// wish reads the channels of a query.
func (s *Server) wish(query url.Values) (wanted wish, err error) {
	for _, channel := range query["channel"] {
		if slices.Contains(wanted.channels, channel) {
			continue
		}
		if len(wanted.channels) == min(maxMarks, s.limits.Subscriptions) {
			return wanted, s.tooManyChannels()
		}
		wanted.channels = append(wanted.channels, channel)
	}
	if len(wanted.channels) == 0 {
		return wanted, fault.Field("channel", "is missing: /events?channel=NAME is expected, with as many channels as you want to hear")
	}
	return wanted, nil
}

// tooManyChannels names the limit that is the lower one.
func (s *Server) tooManyChannels() error {
	if s.limits.Subscriptions < maxMarks {
		return session.ErrSubscriptionLimit
	}
	return fault.Newf(fault.Limit, "limit exceeded: the positions in at most %d channels fit into one cursor; use another stream for the rest", maxMarks)
}

// resume reads the cursor that the client has. The header comes first, because
// EventSource goes on asking for the URL it began with. A browser cannot mend the
// ID it remembers, and would give up for good on any status but 200; so on a
// stream an ID that makes no sense is a gap.
func (e *wish) resume(h http.Header, query url.Values, poll bool) error {
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

// stream answers with an event stream. What keeps it from doing so for a while is
// said in one too: EventSource comes back from the end of a stream, and not from a
// status.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, wanted wish, pad bool) error {
	link, err := s.links.Open(r, carry.Opening{Dialect: plain{}, Keep: carry.WhileCarried,
		Speak: func(c *session.Session) session.Protocol { return s.speak(c, wanted) }})
	if err != nil {
		return s.sendBack(w, r, err)
	}
	preface := appendRetry(nil)
	if pad {
		preface = carry.AppendPad(preface)
	}
	return link.Stream(w, r, preface)
}

// sendBack answers a fault that will pass with a stream that ends, and returns
// any other.
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, err error) error {
	e := fault.From(err)
	if !e.Temporary {
		return err
	}
	s.errors.Log(e, err, "path", r.URL.Path, "remote", r.RemoteAddr)
	carry.SetHeader(w.Header(), carry.EventStream)
	_, err = w.Write(appendEnd(nil, e.Message))
	return err
}
