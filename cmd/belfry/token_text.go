package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"belfry/web/access"
	"belfry/web/token"
)

// row is a name and what there is to say of it, which may be a stranger's text: it is made
// printable as it is laid out.
type row [2]string

// columns lays rows out.
func columns(rows []row) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\n", r[0], printable(r[1]))
	}
	_ = w.Flush() // a builder takes everything
	return text.String()
}

// identity is whose a token is that is taken, by which key, until when. Of a token for
// one subscription that is in its claims; it makes nobody an identity.
func (v *verdict) identity() (user, key string, until time.Time) {
	if v.claims != nil {
		return v.claims.Subject, v.claims.Key, v.claims.Until
	}
	return v.who.User, v.who.Proof.Key, v.who.Until
}

// rows say what a token is good for that is taken.
func (v *verdict) rows(now time.Time) []row {
	user, key, until := v.identity()
	rows := []row{{"user", cmp.Or(user, "nobody in particular")}, {"key", key}, {"until", "for ever"}}
	if !until.IsZero() {
		rows[2][1] = moment(until, now)
	}
	if v.claims != nil {
		return append(rows, row{"subscribe", v.claims.Channel + " (a token for one subscription, which does not connect)"})
	}
	if issued := v.who.Proof.Issued; !issued.IsZero() {
		rows = append(rows, row{"issued", moment(issued, now) + ahead(issued, now)})
	}
	rows = append(rows, grantRows(v.who)...)
	if v.who.Info != nil {
		rows = append(rows, row{"info", string(v.who.Info)})
	}
	if v.who.Within != nil {
		rows = append(rows, row{"counts only on", strings.Join(v.who.Within, ", ")})
	}
	return rows
}

// grantRows say what a token names, by action in the order of the rules, and what the
// server subscribes its client to.
func grantRows(who *access.Identity) (rows []row) {
	for action, name := range []string{"subscribe", "publish", "history", "presence"} {
		var patterns []string
		for _, g := range who.Grants {
			if g.Actions.Has(access.Action(action)) {
				patterns = append(patterns, g.Patterns...)
			}
		}
		if patterns != nil {
			rows = append(rows, row{name, strings.Join(patterns, ", ")})
		}
	}
	var joins []string
	for _, j := range who.Joins {
		joins = append(joins, j.Channel)
	}
	if joins != nil {
		slices.Sort(joins)
		rows = append(rows, row{"is subscribed to", strings.Join(joins, ", ")})
	}
	return rows
}

// channelRows say what a token lets its client do on a channel.
func (c *checkTokenCommand) channelRows(ctx context.Context, v *verdict) (rows []row) {
	for _, a := range c.answers(ctx, v) {
		said := "yes"
		if a.err != nil {
			said = "no: " + a.err.Error()
		}
		rows = append(rows, row{a.action, said})
	}
	return rows
}

// claimRows are what a token says of itself, times in words: most tokens that are refused
// are so because of a time, and nobody reads seconds since 1970.
func claimRows(said token.Unverified, now time.Time) []row {
	rows := []row{{"header", string(said.Header)}}
	var claims map[string]json.RawMessage
	_ = json.Unmarshal(said.Claims, &claims) // it was read before
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		text := string(compact(claims[name]))
		var seconds float64
		if slices.Contains([]string{"exp", "nbf", "iat", "expire_at"}, name) && json.Unmarshal(claims[name], &seconds) == nil {
			text += "  " + inWords(seconds, now)
		}
		rows = append(rows, row{printable(name), text})
	}
	return rows
}

// compact is a claim in one line.
func compact(text json.RawMessage) []byte {
	var b bytes.Buffer
	_ = json.Compact(&b, text) // it was read before
	return b.Bytes()
}

// latestSecond is the end of the year 2100. Later times are no seconds.
const latestSecond = 4_133_980_799

// inWords is a claim's time, or what it may have been meant as: JavaScript counts in
// milliseconds, and tokens of such a backend look as if they were good for ever.
func inWords(seconds float64, now time.Time) string {
	switch {
	case seconds > latestSecond && seconds/1000 < latestSecond:
		return "in seconds that is after the year 2100; in milliseconds it is " + moment(time.UnixMilli(int64(seconds)), now)
	case seconds < 0 || seconds > latestSecond:
		return "is no time in seconds since 1970"
	}
	return moment(time.Unix(int64(seconds), 0), now)
}

// moment is a time, and how far away it is.
func moment(at, now time.Time) string {
	away := at.Sub(now).Round(time.Second)
	text := at.UTC().Format("2006-01-02 15:04:05 UTC") + ", "
	switch {
	case away > 0:
		return text + "in " + away.String()
	case away < 0:
		return text + (-away).String() + " ago"
	}
	return text + "now"
}

// ahead says so of a clock that has made a token in the future. Less than a second is
// what rounding makes of two clocks that agree.
func ahead(issued, now time.Time) string {
	if away := issued.Sub(now).Round(time.Second); away > time.Second {
		return fmt.Sprintf(": the clock of its backend is %v ahead of this machine's, or more", away)
	}
	return ""
}
