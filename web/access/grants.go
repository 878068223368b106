package access

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"belfry/web/token"
)

// grantActions are the words for actions in Belfry's own claim, and capActions those of
// Centrifugo's caps.
var (
	grantActions = map[string]Action{"subscribe": Subscribe, "publish": Publish, "history": ReadHistory, "presence": ReadPresence}
	capActions   = map[string]Action{"sub": Subscribe, "pub": Publish, "hst": ReadHistory, "prs": ReadPresence}
)

// maxRegexp is the longest regular expression of a token in bytes.
const maxRegexp = 255

// grantsOf reads what a token names: Belfry's own claim, in which a slip of the pen is
// an error, and caps, whose other words are left out as Centrifugo does.
func grantsOf(claims *token.Claims) (grants []Grant, err error) {
	for _, word := range slices.Sorted(maps.Keys(claims.Belfry)) {
		action, ok := grantActions[word]
		if !ok {
			return nil, fmt.Errorf("claim belfry: %.40q is no action; want subscribe, publish, history or presence", word)
		}
		grants = append(grants, Grant{Actions: ActionsOf(action), Patterns: claims.Belfry[word]})
	}
	for _, c := range claims.Caps {
		g := Grant{Actions: actionsOf(c.Allow), Patterns: c.Channels}
		switch c.Match {
		case "", "wildcard":
			g.Exact = c.Match == ""
		case "regex":
			g.Regexp = true
			if err := checkRegexps(c.Channels); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("claim caps: match %.40q is not known; want wildcard, regex or none", c.Match)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// actionsOf reads words of caps.
func actionsOf(words []string) (set Actions) {
	for _, word := range words {
		if action, ok := capActions[word]; ok {
			set |= ActionsOf(action)
		}
	}
	return set
}

func checkRegexps(patterns []string) error {
	for _, p := range patterns {
		if len(p) > maxRegexp {
			return fmt.Errorf("claim caps: a regular expression has %d bytes; want at most %d", len(p), maxRegexp)
		}
		if _, err := regexp.Compile(p); err != nil {
			return fmt.Errorf("claim caps: %.100q is no regular expression", p)
		}
	}
	return nil
}

func decodeBase64(text string) ([]byte, error) { return base64.StdEncoding.DecodeString(text) }
