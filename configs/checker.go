package configs

import (
	"cmp"
	"fmt"
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
func (k *checker) items(key string, n int) bool {
	if n > maxItems {
		k.fault(key, "has %d items; want at most %d", n, maxItems)
	}
	return n <= maxItems
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
