package configs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxItems is how many items each list may have.
const maxItems = 1000

// checker collects faults. Each of its methods looks at one key.
type checker struct {
	from   places
	faults Faults
}

func (k *checker) fault(key, format string, args ...any) {
	k.faults = append(k.faults, Fault{k.from.of(key), key, fmt.Sprintf(format, args...)})
}

// items reports whether a list is short enough to be looked at.
func (k *checker) items(key string, n int) bool { return k.atMost(key, n, maxItems) }

func (k *checker) atMost(key string, n, most int) bool {
	if n > most {
		k.fault(key, "has %d items; want at most %d", n, most)
	}
	return n <= most
}

var itemName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)

// named wants a list to have so many items at most, each with a name of its own, and has
// each looked at, under its key.
func named[T any](k *checker, key string, list []T, most int, name func(T) string, look func(key string, item T)) {
	if !k.atMost(key, len(list), most) {
		return
	}
	known := make(map[string]bool)
	for i, item := range list {
		at, its := index(key, i), name(item)
		if !itemName.MatchString(its) || known[its] {
			k.fault(at+".name", "%.100q: want a name of its own, of 1 to 64 letters, digits and the signs . _ -", its)
		}
		known[its] = true
		look(at, item)
	}
}

// oneOf wants one of some words.
func (k *checker) oneOf(key, value string, words ...string) {
	if !slices.Contains(words, value) {
		last := len(words) - 1
		k.fault(key, "%.300q: want %s or %s", value, strings.Join(words[:last], ", "), words[last])
	}
}

// within wants a value from low to high, both inclusive.
func within[T cmp.Ordered](k *checker, key string, value, low, high T) {
	if value < low || value > high {
		k.fault(key, "%v: want %v to %v", value, low, high)
	}
}
