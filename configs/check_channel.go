package configs

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (k *checker) channels(rules []Channel) {
	if len(rules) == 0 {
		k.fault("channels", "is empty; want at least one rule, or nothing can be published")
	}
	if !k.items("channels", len(rules)) {
		return
	}
	for i, rule := range rules {
		key := index("channels", i)
		k.match(key+".match", rule.Match)
		k.history(key+".history", rule.History)
		k.rule(key, rule)
		covers := func(earlier Channel) bool { return earlier.Match == "*" || earlier.Match == rule.Match }
		if first := slices.IndexFunc(rules[:i], covers); first >= 0 {
			k.fault(key+".match", "%.300q: never applies, because %s comes first and matches the same", rule.Match, index("channels", first))
		}
	}
}

func (k *checker) match(key, pattern string) {
	if !isName(pattern) {
		k.fault(key, "%.300q: want 1 to %d bytes of UTF-8 without control characters, * for any run of characters", pattern, maxMatch)
		return
	}
	before, after, user := strings.Cut(pattern, userMark)
	if user && (strings.Contains(before, "*") || strings.HasPrefix(after, "*") || strings.Contains(after, userMark)) {
		k.fault(key, "%.300q: want %s once, with no * before it and none right behind it, or nobody can tell whose the channel is", pattern, userMark)
	}
}

// userMark stands for the ID of a user in a pattern.
const userMark = "{user}"

func hasUser(match string) bool { return strings.Contains(match, userMark) }

// rule looks at who may do what.
func (k *checker) rule(key string, rule Channel) {
	said := false // something of users
	for _, l := range rule.lists(key) {
		k.who(key, rule, l)
		said = said || slices.Contains(l.words, User)
	}
	if i := slices.Index(rule.Subscribe, Subscriber); i >= 0 {
		k.fault(index(key+".subscribe", i), "%q: nobody is one before; want %s", Subscriber, words(Anyone, User, Token, Server))
	}
	if rule.History.Size == 0 && len(rule.History.Read) > 0 {
		k.fault(key+".history.read", "says who may read a history, and there is none (%s); want a size of 1 to 10000, or no read", k.where(key+".history.size"))
	}
	if !rule.Presence.On && len(rule.Presence.Read) > 0 {
		k.fault(key+".presence.read", "says who may read a presence, and there is none (%s); want true, or no read", k.where(key+".presence"))
	}
	if hasUser(rule.Match) && len(rule.Subscribe) > 0 && !said {
		k.fault(key+".match", "%.300q: %s says nothing, because no list of the rule has %s (%s)", rule.Match, userMark, User, k.where(key+".subscribe"))
	}
}

// who looks at one list of a rule. In publish client is another word for anyone.
func (k *checker) who(rule string, r Channel, l whoList) {
	list := slices.Clone(l.words)
	for i, word := range list {
		if word == Client && strings.HasSuffix(l.key, ".publish") {
			list[i] = Anyone
		}
	}
	anyone := slices.Index(list, Anyone)
	for i, word := range list {
		switch at := index(l.key, i); {
		case !slices.Contains(whoWords, word) || slices.Contains(list[:i], word):
			k.fault(at, "%.300q: want %s, each once", word, words(whoWords...))
		case anyone >= 0 && word != Anyone && word != Server:
			k.fault(at, "%q: is among %s already (%s); want one of them", word, Anyone, k.where(index(l.key, anyone)))
		case word == Anyone && hasUser(r.Match):
			k.fault(at, "%q: the channel is one user's, by %s (%s); want %s, or another match", word, userMark, k.where(rule+".match"), User)
		}
	}
}

// where is a key, and the place where it was set, for a sentence about another.
func (k *checker) where(key string) string {
	if place := k.from.of(key); place != "" {
		return key + ", " + place
	}
	return key
}

// words writes words of which one is wanted: a, b or c.
func words(all ...string) string {
	last := len(all) - 1
	return fmt.Sprintf("%s or %s", strings.Join(all[:last], ", "), all[last])
}

func (k *checker) history(key string, h History) {
	within(k, key+".size", h.Size, 0, 10_000)
	if h.TTL != 0 {
		within(k, key+".ttl", h.TTL, Age(time.Second), Age(720*time.Hour))
	}
	if h.Bytes != 0 {
		within(k, key+".bytes", h.Bytes, 1<<10, 1<<30)
	}
	if h.Size == 0 && (h.TTL != 0 || h.Bytes != 0) {
		k.fault(key+".size", "is 0 or missing beside a ttl or bytes; want 1 to 10000 messages, or no history")
	}
}
