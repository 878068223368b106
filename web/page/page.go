// Package page has the browser side: the pages, and the scripts that they and
// other sites load. Everything is embedded in the binary; there is no build step.
package page

import (
	"embed"
	"io/fs"
	"net/http"

	"belfry/web/fault"
)

// assets is the whole browser side. It needs no build step.
//
//go:embed static
var assets embed.FS

// files are the assets by their names.
var files = func() map[string]*Content {
	all := make(map[string]*Content)
	entries, err := fs.ReadDir(assets, "static")
	for _, entry := range entries {
		var text []byte
		if text, err = fs.ReadFile(assets, "static/"+entry.Name()); err != nil {
			break
		}
		all[entry.Name()] = NewContent(entry.Name(), text)
	}
	if err != nil {
		panic(err) // they are in the binary
	}
	return all
}()

// File serves one file of the assets. It panics when there is no such file, which a
// test of the routes shows.
func File(name string) http.HandlerFunc {
	content, ok := files[name]
	if !ok {
		panic("no such asset: " + name)
	}
	return content.ServeHTTP
}

// ErrNotFound is for a path at which there is nothing.
var ErrNotFound = fault.New(fault.NotFound, "there is nothing here; / says what there is")

// Static serves the files that the pages refer to, by name.
func Static(w http.ResponseWriter, r *http.Request, name string) error {
	content, ok := files[name]
	if !ok {
		return ErrNotFound
	}
	content.ServeHTTP(w, r)
	return nil
}
