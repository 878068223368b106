package fault_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"belfry/web/fault"
)

// nested is JSON of so many levels around a value.
func nested(levels int, open, value, end string) string {
	return strings.Repeat(open, levels) + value + strings.Repeat(end, levels)
}

func TestCompact(t *testing.T) {
	const (
		notJSON = "one JSON value in valid UTF-8 is expected"
		tooDeep = "at most 64 levels of arrays and objects are accepted"
	)
	brackets := strings.Repeat("[{", 100)
	cases := []struct {
		name, data string
		want       string // empty: an error
		err        string
	}{
		{"space", " { \"a\" : [ 1 , 2 ] }\n", `{"a":[1,2]}`, ""},
		{"signs of HTML", `"<b>"`, `"<b>"`, ""},
		{"null", "null", "null", ""},
		{"nothing", "", "", notJSON},
		{"half", `{"a":}`, "", notJSON},
		{"two values", "1 2", "", notJSON},
		{"invalid UTF-8", "\"\xff\"", "", notJSON},
		{"64 arrays", nested(64, "[", "1", "]"), nested(64, "[", "1", "]"), ""},
		{"65 arrays", nested(65, "[", "1", "]"), "", tooDeep},
		{"65 empty arrays", nested(65, "[", "", "]"), "", tooDeep},
		{"64 objects", nested(64, `{"a":`, "1", "}"), nested(64, `{"a":`, "1", "}"), ""},
		{"65 objects", nested(65, `{"a": `, "1", " }"), "", tooDeep},
		{"64 of both", nested(32, `[{"a":`, "1", "}]"), nested(32, `[{"a":`, "1", "}]"), ""},
		{"66 of both", nested(33, `[{"a":`, "1", "}]"), "", tooDeep},
		{"9998 levels", nested(9998, "[", "1", "]"), "", tooDeep},
		{"more than the parser takes", nested(10001, "[", "1", "]"), "", notJSON},
		{"many side by side", "[" + strings.Repeat("[],", 1000) + "{}]", "[" + strings.Repeat("[],", 1000) + "{}]", ""},
		{"deep after many side by side", "[" + strings.Repeat("[],", 1000) + nested(64, "[", "", "]") + "]", "", tooDeep},
		{"brackets in a string", `"` + brackets + `"`, `"` + brackets + `"`, ""},
		{"brackets in a name", `{"` + brackets + `":1}`, `{"` + brackets + `":1}`, ""},
		{"brackets behind an escaped quote", `"\"` + brackets + `"`, `"\"` + brackets + `"`, ""},
		{"levels behind an escaped backslash", `["\\",` + nested(64, "[", "", "]") + "]", "", tooDeep},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := fault.Compact([]byte(tc.data))
			if text := fmt.Sprint(err); string(got) != tc.want || (tc.err == "") != (err == nil) || err != nil && text != tc.err {
				t.Errorf("Compact(%.80q): %.80q, %v; want %.80q, %q", tc.data, got, err, tc.want, tc.err)
			}
		})
	}
}

// depth is how many levels a value has, found in another way than Compact does.
func depth(v any) (levels int) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			levels = max(levels, depth(inner))
		}
	case map[string]any:
		for _, inner := range v {
			levels = max(levels, depth(inner))
		}
	default:
		return 0
	}
	return levels + 1
}

// FuzzCompact compares the levels of what is taken with those that the parser finds.
// A name that stands twice in an object is out of the comparison: the parser keeps
// the last.
func FuzzCompact(f *testing.F) {
	for _, seed := range []string{"1", `"\"[{"`, nested(64, "[", "", "]"), nested(65, `{"a":`, "1", "}"), `[[1],{"a":[2]}]`, `"\\",[`, "[\xff]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := fault.Compact(data)
		var v any
		valid := json.Unmarshal(data, &v) == nil
		switch {
		case err == nil && (!valid || depth(v) > fault.MaxDepth || !json.Valid(got)):
			t.Errorf("%q is taken for %q, of %d levels", data, got, depth(v))
		case err != nil && got != nil:
			t.Errorf("%q: both %q and %v", data, got, err)
		}
	})
}

func BenchmarkCompact(b *testing.B) {
	objects := "[" + strings.Repeat(`{"name":"Ada","text":"Hello [you]","at":1234567890},`, 20) + "{}]"
	for name, data := range map[string]string{
		"chat-64B":     `{"name":"Ada","text":"It is noon, and all is well in the town"}`,
		"text-4KiB":    `"` + strings.Repeat("x", 4<<10) + `"`,
		"objects-1KiB": objects,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			text := []byte(data)
			for b.Loop() {
				if _, err := fault.Compact(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
