package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"belfry/web/fault"
)

// routes is the table of everything the server answers.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(s.faults.Handle(notFound))
	r.MethodNotAllowed(s.faults.Handle(methodNotAllowed))

	r.Get("/", page("index.html"))
	r.Get("/socketexample", page("socketexample.html"))
	r.Get("/belfry.js", page("belfry.js"))
	r.Get("/belfry.mjs", page("belfry.mjs"))
	r.Get("/websocket.js", page("websocket.js"))
	r.Get("/favicon.ico", page("favicon.svg"))
	r.Get("/static/{file}", s.faults.Handle(s.static))

	s.sessionRoutes(r)

	calls := s.apiCalls()
	for name, call := range calls {
		r.Post("/api/"+name, s.api(call))
	}
	r.Post("/api/batch", s.api(s.batch(calls)))
	r.Get("/api/openapi.yaml", s.openAPI)

	r.Get("/healthz", s.healthz)
	r.Get("/readyz", s.faults.Handle(s.readyz))
	r.Get("/crossdomain.xml", s.faults.Handle(s.crossdomain))
	return r
}

// sessionRoutes are the endpoints of sessions. POST is for those over HTTP.
func (s *Server) sessionRoutes(r chi.Router) {
	for path, f := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/echo":                 s.echo,
		"/ws/{channel}":         s.channel,
		"/connection/websocket": s.centrifuge,
	} {
		r.Get(path, s.faults.Handle(f))
		r.Post(path, s.faults.Handle(f))
	}
	for path, f := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/connection/http_stream": s.emulateHTTPStream,
		"/connection/sse":         s.emulateSSE,
		"/emulation":              s.emulation,
		"/events":                 s.events,
	} {
		r.Handle(path, s.faults.Handle(f))
	}
}

func notFound(http.ResponseWriter, *http.Request) error { return errNotFound }

func methodNotAllowed(_ http.ResponseWriter, r *http.Request) error {
	return fault.New(fault.WrongMethod, r.Method+" is not answered at "+r.URL.Path)
}

// plainText is an endpoint of plain text, for clients of any draft. There are no
// credentials that a client could be tricked into showing here. Plain text goes
// with any subprotocol, so the first is chosen.
func plainText(speak func(*session) protocol) endpoint {
	return endpoint{speak: speak, drafts: true, choose: func(offered []string) string {
		return append(offered, "")[0]
	}}
}

func (s *Server) echo(w http.ResponseWriter, r *http.Request) error {
	return s.serve(w, r, plainText(newEcho))
}

func (s *Server) channel(w http.ResponseWriter, r *http.Request) error {
	channel, err := pathValue(r, "channel")
	if err != nil {
		return err
	}
	rule, err := s.hub.Rule(channel) // a client of hixie-76 hears of no error later
	if err != nil {
		return err
	}
	return s.serve(w, r, plainText(func(c *session) protocol { return &raw{session: c, channel: channel, rule: rule} }))
}

func (s *Server) centrifuge(w http.ResponseWriter, r *http.Request) error {
	return s.serve(w, r, endpoint{speak: newCentrifuge, choose: centrifugeSubprotocol})
}

// pathValue returns a parameter of the route, unescaped: chi matches the
// escaped path when the two differ.
func pathValue(r *http.Request, name string) (string, error) {
	value := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return value, nil
	}
	value, err := url.PathUnescape(value)
	if err != nil {
		return "", fault.Field(name, "is not a valid escaped path segment")
	}
	return value, nil
}

// guestName is what others call an anonymous session.
func guestName(id string) string { return "guest-" + strings.ToLower(id[:5]) }

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("alive\n"))
}

// readyz answers 200 when the server can serve, and 503 with the reason when
// it is going down or the broker is away.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if s.isDraining() {
		return errDraining
	}
	if err := s.hub.Ready(r.Context()); err != nil {
		s.logger.Debug("not ready", "err", err)
		return errNotReady
	}
	_, err := w.Write([]byte("ready\n"))
	return err
}

// crossdomain answers with the policy file that Flash asks for over HTTP.
func (s *Server) crossdomain(w http.ResponseWriter, r *http.Request) error {
	if s.crossDomain == nil {
		return errNotFound
	}
	w.Header().Set("Content-Type", "text/x-cross-domain-policy")
	_, err := w.Write(s.crossDomain)
	return err
}
