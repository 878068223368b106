package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"belfry/web/api"
	"belfry/web/carry"
	"belfry/web/fault"
	"belfry/web/page"
	"belfry/web/raw"
	"belfry/web/session"
	"belfry/web/ws"
)

// routes is the table of everything the server answers. What is asked by GET may be
// asked by HEAD.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.GetHead)
	handle := s.errors.Handle
	r.NotFound(handle(notFound))
	r.MethodNotAllowed(handle(s.anotherMethod))

	r.Get("/", page.File("index.html"))
	r.Get("/socketexample", page.File("socketexample.html"))
	r.Get("/belfry.js", page.File("belfry.js"))
	r.Get("/belfry.mjs", page.File("belfry.mjs"))
	r.Get("/websocket.js", page.File("websocket.js"))
	r.Get("/favicon.ico", page.File("favicon.svg"))
	r.Get("/static/tokens.js", page.NewContent("tokens.js", fmt.Appendf(nil, "export const tokens = %t; // are checked here\n", s.tokens != nil)).ServeHTTP)
	r.Get("/static/{file}", handle(static))

	s.sessionRoutes(r)
	s.streamRoutes(r)

	s.api.Routes(r)
	// There is nothing secret in it, and it needs no key.
	r.Get("/api/openapi.yaml", page.NewContent("openapi.yaml", api.Document).ServeHTTP)

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
		"/ws/*":                 s.channel,
		"/connection/websocket": func(w http.ResponseWriter, r *http.Request) error { return s.open(w, r, centrifuge) },
	} {
		r.Get(path, s.errors.Handle(f))
		r.Post(path, s.errors.Handle(f))
		r.Options(path, s.errors.Handle(s.preflight))
	}
}

// streamRoutes are the streams of protocols over HTTP, and what goes upwards beside
// them. Each tells other pages by itself what they may.
func (s *Server) streamRoutes(r chi.Router) {
	add := func(path string, f fault.Handler, methods ...string) {
		for _, method := range append(methods, http.MethodOptions) {
			r.Method(method, path, s.errors.Handle(f))
		}
	}
	add("/events", s.events.Serve, http.MethodGet)
	add("/connection/http_stream", s.centrifuge.HTTPStream, http.MethodPost)
	add("/connection/sse", s.centrifuge.SSE, http.MethodGet, http.MethodPost)
	add("/emulation", s.centrifuge.Emulation, http.MethodPost)
	add("/ticket", s.giveTicket, http.MethodPost)
	r.Head("/events", s.errors.Handle(s.streamHead))
	r.Head("/connection/sse", s.errors.Handle(s.streamHead))
}

// giveTicket answers POST /ticket of a page that may ask.
func (s *Server) giveTicket(w http.ResponseWriter, r *http.Request) error {
	if err := s.origins.AdmitMethods(w, r, http.MethodPost); err != nil || r.Method == http.MethodOptions {
		return err
	}
	if err := fault.DiscardBody(w, r, maxTicketBody); err != nil {
		return err
	}
	return s.ticket(w, r)
}

// maxTicketBody is the largest body of a request that needs none, in bytes.
const maxTicketBody = 4 << 10

// streamHead answers HEAD with the head of an event stream, and opens none.
func (s *Server) streamHead(w http.ResponseWriter, r *http.Request) error {
	if err := s.origins.Admit(w, r); err != nil {
		return err
	}
	carry.SetHeader(w.Header(), carry.EventStream)
	return nil
}

// open opens a session over WebSocket, or over HTTP as a query "via" says.
func (s *Server) open(w http.ResponseWriter, r *http.Request, e session.Endpoint) error {
	if r.Method == http.MethodHead {
		return s.openNone(w, r)
	}
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

// openNone answers HEAD where GET would open a session.
func (s *Server) openNone(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Get("via") == "events" {
		return s.streamHead(w, r)
	}
	return ws.ErrNoUpgrade
}

// preflight tells a browser which pages may reach a session over HTTP.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) error {
	return s.origins.AdmitMethods(w, r, http.MethodGet, http.MethodPost)
}

// channel opens a session on the channel that the rest of the path names: some proxies
// decode an escaped slash in it. A client of hixie-76 hears of no error later.
func (s *Server) channel(w http.ResponseWriter, r *http.Request) error {
	channel, err := pathValue(r, "*")
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

func healthz(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("alive\n")) }

// readyz answers 200 when the server can serve, and 503 with the reason when
// it is going down or the broker is away.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if s.sessions.Draining().Err() != nil {
		return session.ErrDraining
	}
	if err := s.hub.Ready(r.Context()); err != nil {
		s.logger.Debug("not ready", "err", err)
		return fault.NotReady(err)
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

// anotherMethod answers what is asked by a method that is not in the table: OPTIONS
// with those that are, and others with 405.
func (s *Server) anotherMethod(w http.ResponseWriter, r *http.Request) error {
	allowed := strings.Join(methodsOf(r), ", ")
	if allowed == "" {
		return page.ErrNotFound // whatever the method is
	}
	if r.Method != http.MethodOptions {
		return fault.Newf(fault.WrongMethod, "%.20s is not answered at %.200s; %s are", r.Method, r.URL.Path, allowed).With("Allow", allowed)
	}
	if err := s.origins.Check(r); err != nil {
		return err
	}
	w.Header().Set("Allow", allowed)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// methodsOf are the methods by which the path of a request may be asked. There are
// none where there is nothing.
func methodsOf(r *http.Request) (methods []string) {
	route := chi.RouteContext(r.Context())
	path := cmp.Or(route.RoutePath, r.URL.RawPath, r.URL.Path)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if !route.Routes.Match(chi.NewRouteContext(), method, path) {
			continue
		}
		if methods = append(methods, method); method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	if methods != nil {
		methods = append(methods, http.MethodOptions)
	}
	return methods
}
