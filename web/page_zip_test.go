package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"testing"
)

// TestFilesAreCompressed asks for every file as clients do that take what is
// compressed, and as others: they get the same, and know the two apart.
func TestFilesAreCompressed(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	ask := func(path, accept, etag, area string) (*http.Response, []byte) {
		t.Helper()
		r, _ := http.NewRequest(http.MethodGet, s.URL+path, nil)
		for name, value := range map[string]string{"Accept-Encoding": accept, "If-None-Match": etag, "Range": area} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		answer, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s for %q: %v, Vary: %q", path, accept, err, answer.Header.Get("Vary"))
		}
		return answer, body
	}
	for _, path := range []string{"/", "/socketexample", "/belfry.js", "/websocket.js", "/static/base.css", "/api/openapi.yaml"} {
		plain, text := ask(path, "", "", "")
		zipped, short := ask(path, "br;q=1.0, gzip;q=0.8", "", "")
		if plain.Header.Get("Content-Encoding") != "" || zipped.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Etag") == zipped.Header.Get("Etag") ||
			plain.Header.Get("Content-Type") != zipped.Header.Get("Content-Type") || zipped.ContentLength != int64(len(short)) {
			t.Errorf("%s: %v and %v", path, plain.Header, zipped.Header)
		}
		z, err := gzip.NewReader(bytes.NewReader(short))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, text) || 2*len(short) > len(text) {
			t.Errorf("%s: %d of %d bytes, %v", path, len(short), len(text), err)
		}
		if again, _ := ask(path, "gzip", zipped.Header.Get("Etag"), ""); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %s", path, again.Status)
		}
		if part, got := ask(path, "gzip", "", "bytes=1-3"); part.StatusCode != http.StatusPartialContent || !bytes.Equal(got, short[1:4]) {
			t.Errorf("a part of %s: %s, %x; want %x", path, part.Status, got, short[1:4])
		}
	}
	for accept, want := range map[string]string{
		"gzip": "gzip", "deflate, GZIP ;q=0.5": "gzip", "gzip;q=0": "", "gzip; q=0.0": "", "gzip;q=x": "", "identity": "", "x-gzip": "", "*": "",
	} {
		if answer, _ := ask("/belfry.js", accept, "", ""); answer.Header.Get("Content-Encoding") != want {
			t.Errorf("%q: got %q, want %q", accept, answer.Header.Get("Content-Encoding"), want)
		}
	}
	if small, _ := ask("/belfry.mjs", "gzip", "", ""); small.Header.Get("Content-Encoding") != "" {
		t.Error("what grows is compressed too")
	}
}
