package carry

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// lineOf is a message in a framing, and the last of its lines.
func lineOf(f lines, n int) []byte { return f.AppendMessage(nil, fmt.Append(nil, n)) }

func TestBacklog(t *testing.T) {
	for _, f := range []lines{{}, {events: true}} {
		b := backlog{dialect: f}
		all := ""
		for n := 1; n <= 30; {
			var chunk []byte
			lines := n%3 + 1
			for range lines {
				chunk = append(chunk, lineOf(f, n)...)
				n++
			}
			if got := f.count(chunk); got != lines {
				t.Fatalf("count %q = %d, want %d", chunk, got, lines)
			}
			b.add(chunk)
			all += string(chunk)
		}
		for acknowledged := uint64(0); acknowledged <= b.lines; acknowledged++ {
			b.acknowledge(acknowledged)
			for n := acknowledged; n <= b.lines; n++ {
				want := all[len(allOf(f, int(n))):]
				parts, size, whole := b.since(b.position(n), len(all))
				if got := string(bytes.Join(parts, nil)); got != want || size != len(want) || !whole {
					t.Fatalf("after %d, of %d acknowledged: %q, want %q", n, acknowledged, got, want)
				}
			}
			checkPieces(t, &b, f, acknowledged, all)
		}
		if b.chunks != nil || b.size != 0 || b.end() != uint64(len(all)) || b.cost() != 0 {
			t.Errorf("all is acknowledged, and left is %+v", b)
		}
	}
}

// allOf is what the first n messages are.
func allOf(f lines, n int) string {
	var all strings.Builder
	for i := range n {
		all.Write(lineOf(f, i+1))
	}
	return all.String()
}

// checkPieces fetches in pieces of a few bytes.
func checkPieces(t *testing.T, b *backlog, f lines, n uint64, all string) {
	t.Helper()
	position, got := b.position(n), ""
	for position < b.end() {
		parts, size, whole := b.since(position, 17)
		if size == 0 || size > 17 {
			t.Fatalf("a piece of %d bytes", size)
		}
		got += string(bytes.Join(parts, nil))
		position += uint64(size)
		if position == b.end() && !whole {
			t.Errorf("the last piece ends within a chunk")
		}
	}
	if want := all[len(allOf(f, int(n))):]; got != want {
		t.Fatalf("in pieces after %d: %q, want %q", n, got, want)
	}
}

// TestRewrap turns lines into events and back, in pieces of every size.
func TestRewrap(t *testing.T) {
	asLines, asEvents := "", ""
	for _, text := range []string{"", "data: ", "x", "a\nb", strings.Repeat("y", 50)} {
		asLines += string(lines{}.AppendMessage(nil, []byte(text)))
		asEvents += string(lines{events: true}.AppendMessage(nil, []byte(text)))
	}
	for _, c := range []struct {
		from, to lines
		in, want string
	}{
		{lines{}, lines{events: true}, asLines, asEvents},
		{lines{events: true}, lines{}, asEvents, asLines},
		{lines{}, lines{}, asLines, asLines},
		{lines{events: true}, lines{events: true}, asEvents, asEvents},
	} {
		for size := 1; size <= len(c.in); size++ {
			r := rewrap{from: c.from, to: c.to}
			var got []byte
			for i := 0; i < len(c.in); i += size {
				got = r.append(got, []byte(c.in[i:min(len(c.in), i+size)]))
			}
			if string(got) != c.want {
				t.Fatalf("%v to %v by %d bytes: %q, want %q", c.from, c.to, size, got, c.want)
			}
		}
	}
}
