package web

import "github.com/go-chi/chi/v5"

// Routes returns the table of routes of a server.
func Routes(s *Server) chi.Routes { return s.routes().(chi.Routes) }
