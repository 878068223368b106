package web

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"belfry/hub"
	"belfry/web/api"
)

// TestRoutesAreDocumented compares the table of routes with the OpenAPI document.
func TestRoutesAreDocumented(t *testing.T) {
	var routes, documented []string
	router := Routes(New(Options{Hub: hub.New(hub.Options{})}))
	err := chi.Walk(router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.HasPrefix(route, "/api/") {
			routes = append(routes, strings.ToLower(method)+" "+route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Paths map[string]map[string]any }
	if err := yaml.Unmarshal(api.Document, &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for method := range item {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(routes)
	slices.Sort(documented)
	if diff := cmp.Diff(routes, documented); diff != "" || len(routes) < 15 {
		t.Errorf("-routes +document:\n%s", diff)
	}
}
