package fault_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"belfry/web/fault"
)

var errSoldOut = fault.New(fault.Limit, "limit exceeded: there are no more tickets")

// A handler returns what went wrong. The client hears the part of it that is
// public; the rest is for the log.
func Example() {
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	handler := fault.Answerer{Logger: logger}.Handle(func(_ http.ResponseWriter, r *http.Request) error {
		if r.URL.Path == "/tickets" {
			return errSoldOut
		}
		return fmt.Errorf("open the box office: %w", errors.New("the key is lost"))
	})
	for _, path := range []string{"/tickets", "/office"} {
		w := httptest.NewRecorder()
		handler(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 400 {"error":{"code":106,"message":"limit exceeded: there are no more tickets"}}
	// level=ERROR msg="request failed" path=/office remote=192.0.2.1:1234 err="open the box office: the key is lost"
	// 500 {"error":{"code":100,"message":"internal server error","temporary":true}}
}
