package web

import (
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"

	"belfry/web/api"
	"belfry/web/fault"
	"belfry/web/page"
	"belfry/web/raw"
	"belfry/web/session"
)

// routes is the table of everything the server answers.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	handle := s.errors.Handle
	r.NotFound(handle(notFound))
	r.MethodNotAllowed(handle(methodNotAllowed))

	r.Get("/", page.File("index.html"))
	r.Get("/socketexample", page.File("socketexample.html"))
	r.Get("/belfry.js", page.File("belfry.js"))
	r.Get("/belfry.mjs", page.File("belfry.mjs"))
	r.Get("/websocket.js", page.File("websocket.js"))
	r.Get("/favicon.ico", page.File("favicon.svg"))
	r.Get("/static/{file}", handle(static))

	s.sessionRoutes(r)
	r.Handle("/events", handle(s.events.Serve))

	s.api.Routes(r)
	r.Get("/api/openapi.yaml", openAPI)

	r.Get("/healthz", healthz)
	r.Get("/readyz", handle(s.readyz))
	r.Get("/crossdomain.xml", handle(s.crossdomain))
	return r
}

// sessionRoutes are the endpoints of sessions. POST and OPTIONS are for those
// over HTTP.
func (s *Server) sessionRoutes(r chi.Router) {
	echo, centrifuge := raw.Echo(), s.centrifuge.Endpoint()
	for path, f := range map[string]fault.Handler{
		"/echo":                 func(w http.ResponseWriter, r *http.Request) error { return s.open(w, r, echo) },
		"/ws/{channel}":         s.channel,
		"/connection/websocket": func(w http.ResponseWriter, r *http.Request) error { return s.open(w, r, centrifuge) },
	} {
		r.Get(path, s.errors.Handle(f))
		r.Post(path, s.errors.Handle(f))
		r.Options(path, s.errors.Handle(s.preflight))
	}
	r.Handle("/connection/http_stream", s.errors.Handle(s.centrifuge.HTTPStream))
	r.Handle("/connection/sse", s.errors.Handle(s.centrifuge.SSE))
	r.Handle("/emulation", s.errors.Handle(s.centrifuge.Emulation))
}

// open opens a session over WebSocket, or over HTTP as a query "via" says.
func (s *Server) open(w http.ResponseWriter, r *http.Request, e session.Endpoint) error {
	if r.Method == http.MethodGet && r.URL.RawQuery == "" {
		return s.webSocket.Serve(w, r, e)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.Field("query", "is not valid: "+err.Error())
	}
	if query.Get("via") == "" && r.Method == http.MethodGet {
		return s.webSocket.Serve(w, r, e)
	}
	if err := s.origins.Admit(w, r); err != nil {
		return err
	}
	return s.links.Serve(w, r, query, e)
}

// preflight tells a browser which pages may reach a session over HTTP.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) error {
	return s.origins.AdmitMethods(w, r, http.MethodGet, http.MethodPost)
}

// channel opens a session on the channel of the path. A client of hixie-76 hears of
// no error later.
func (s *Server) channel(w http.ResponseWriter, r *http.Request) error {
	channel, err := pathValue(r, "channel")
	if err != nil {
		return err
	}
	rule, err := s.hub.Rule(channel)
	if err != nil {
		return err
	}
	return s.open(w, r, raw.Channel(channel, rule))
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

func static(w http.ResponseWriter, r *http.Request) error {
	name, err := pathValue(r, "file")
	if err != nil {
		return err
	}
	return page.Static(w, r, name)
}

// openAPI needs no key: there is nothing secret in it.
func openAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	page.Serve(w, r, "openapi.yaml", api.Document)
}

func healthz(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("alive\n")) }

// errNotReady is what a node without its broker says of itself.
var errNotReady = fault.New(fault.NotServing, "not ready: the broker is away")

// readyz answers 200 when the server can serve, and 503 with the reason when
// it is going down or the broker is away.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if s.sessions.Draining().Err() != nil {
		return session.ErrDraining
	}
	if err := s.hub.Ready(r.Context()); err != nil {
		s.logger.Debug("not ready", "err", err)
		return errNotReady
	}
	_, err := w.Write([]byte("ready\n"))
	return err
}

// crossdomain answers with the policy file that Flash asks for over HTTP.
func (s *Server) crossdomain(w http.ResponseWriter, _ *http.Request) error {
	if s.crossDomain == nil {
		return page.ErrNotFound
	}
	w.Header().Set("Content-Type", "text/x-cross-domain-policy")
	_, err := w.Write(s.crossDomain)
	return err
}

func notFound(http.ResponseWriter, *http.Request) error { return page.ErrNotFound }

func methodNotAllowed(_ http.ResponseWriter, r *http.Request) error {
	return fault.New(fault.WrongMethod, r.Method+" is not answered at "+r.URL.Path)
}
