package policy_test

import (
	"bytes"
	"strings"
	"testing"

	"belfry/policy"
)

func TestRequestIs23Bytes(t *testing.T) {
	if policy.Request != "<policy-file-request/>\x00" || len(policy.Request) != 23 {
		t.Errorf("Request = %q, %d bytes", policy.Request, len(policy.Request))
	}
}

func TestMatcher(t *testing.T) {
	text := policy.Request[:22]
	for _, c := range []struct {
		name, in string
		want     policy.Verdict // after the bytes
		end      policy.Verdict // when no more come
	}{
		{"nothing", "", policy.NeedMore, policy.Mismatch},
		{"first byte", "<", policy.NeedMore, policy.Mismatch},
		{"21 bytes", text[:21], policy.NeedMore, policy.Mismatch},
		{"22 bytes", text, policy.NeedMore, policy.Matched},
		{"whole", policy.Request, policy.Matched, policy.Matched},
		{"more behind", policy.Request + "\r\n", policy.Matched, policy.Matched},
		{"line end for NUL", text + "\n", policy.Mismatch, policy.Mismatch},
		{"twice without NUL", text + text, policy.Mismatch, policy.Mismatch},
		{"space before the end", "<policy-file-request />\x00", policy.Mismatch, policy.Mismatch},
		{"upper case", strings.ToUpper(policy.Request), policy.Mismatch, policy.Mismatch},
		{"wrong last character", text[:21] + "]", policy.Mismatch, policy.Mismatch},
		{"NUL alone", "\x00", policy.Mismatch, policy.Mismatch},
		{"HTTP", "GET / HTTP/1.1\r\n", policy.Mismatch, policy.Mismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			for split := 0; split <= len(c.in); split++ {
				var m policy.Matcher
				m.Feed([]byte(c.in[:split]))
				if got := m.Feed([]byte(c.in[split:])); got != c.want {
					t.Errorf("%q split at %d: %v, want %v", c.in, split, got, c.want)
				}
				if got := m.End(); got != c.end {
					t.Errorf("%q split at %d, then the end: %v, want %v", c.in, split, got, c.end)
				}
			}
		})
	}
}

func TestVerdictStays(t *testing.T) {
	for _, c := range []struct {
		name, first, then string
		want              policy.Verdict
	}{
		{"matched", policy.Request, "garbage", policy.Matched},
		{"mismatch", "x", policy.Request, policy.Mismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m policy.Matcher
			m.Feed([]byte(c.first))
			if got := m.Feed([]byte(c.then)); got != c.want {
				t.Errorf("%q after %q: %v, want %v", c.then, c.first, got, c.want)
			}
			if got := m.End(); got != c.want {
				t.Errorf("at the end: %v, want %v", got, c.want)
			}
			if got := m.Feed([]byte(policy.Request)); got != c.want {
				t.Errorf("after the end: %v, want %v", got, c.want)
			}
		})
	}
}

func FuzzMatcher(f *testing.F) {
	f.Add([]byte(policy.Request), []byte{1, 2, 3})
	f.Add([]byte(policy.Request[:22]), []byte{0, 22})
	f.Add([]byte("GET / HTTP/1.1\r\n"), []byte{4})
	f.Fuzz(func(t *testing.T, in, sizes []byte) {
		want := verdictOf(in)
		var m policy.Matcher
		got := policy.NeedMore
		for rest := in; len(rest) > 0; {
			n := len(rest)
			if len(sizes) > 0 {
				n, sizes = min(int(sizes[0]), n), sizes[1:]
			}
			got = m.Feed(rest[:n])
			rest = rest[n:]
		}
		if got != want {
			t.Fatalf("%q: %v, want %v", in, got, want)
		}
		if want == policy.NeedMore {
			want = policy.Mismatch
			if len(in) == 22 {
				want = policy.Matched
			}
		}
		if got := m.End(); got != want {
			t.Fatalf("%q and the end: %v, want %v", in, got, want)
		}
	})
}

// verdictOf says what a matcher must say of in, all at once.
func verdictOf(in []byte) policy.Verdict {
	request := []byte(policy.Request)
	switch {
	case bytes.HasPrefix(in, request):
		return policy.Matched
	case bytes.HasPrefix(request, in):
		return policy.NeedMore
	default:
		return policy.Mismatch
	}
}
