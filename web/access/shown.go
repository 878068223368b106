package access

import (
	"context"
	"net/http"
	"strings"
)

// shown returns the token that a client shows; empty: none. What it says once it is
// connected comes first, then the header, then a ticket, then the cookie, and the URL
// last.
func (g *Tokens) shown(ctx context.Context, h Hello) (string, error) {
	if h.Token != "" {
		return h.Token, nil
	}
	if scheme, text, ok := strings.Cut(h.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(text), nil
	}
	if h.URL == nil || h.URL.RawQuery == "" {
		return g.cookie(h.Header), nil
	}
	query := h.URL.Query()
	if ticket := query.Get("ticket"); ticket != "" {
		return g.tickets.redeem(ctx, ticket)
	}
	if text := g.cookie(h.Header); text != "" || !g.by.Query {
		return text, nil
	}
	return query.Get("token"), nil
}

// cookie returns the token of a cookie. Browsers send cookies whoever's page asks, so
// that it counts only beside an origin, which was checked before, or where the browser
// says that the page is of this very site.
func (g *Tokens) cookie(header http.Header) string {
	if g.by.Cookie == "" || header.Get("Origin") == "" && header.Get("Sec-Fetch-Site") != "same-origin" {
		return ""
	}
	r := http.Request{Header: header}
	c, err := r.Cookie(g.by.Cookie)
	if err != nil {
		return ""
	}
	return c.Value
}
