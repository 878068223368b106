package web

import (
	"github.com/go-chi/chi/v5"

	"belfry/web/session"
)

// Routes returns the table of routes of a server.
func Routes(s *Server) chi.Routes { return s.routes().(chi.Routes) }

// Sessions returns the clients of a server.
func Sessions(s *Server) *session.Registry { return s.sessions }
