package redisbroker

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// poison is what somebody may have left in Redis as a message.
var poison = []string{
	"", "\x01", "\x01d\x03{x}", "\x01d\x0a{\"a\":\n\n1}", "\x01d\x04\"\xff\xfe\"", "\x01c\x01ah\x03{x}d\x011", "\x01c\x01ai\x03{x}d\x011",
	"\x01g\x03{x}d\x011", "\x01j\x02\xff\x01d\x011", "\x01j\x01\x01", "\x01j\x01\x02d\x011", "\x01d\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
}

func addEnvelopes(f *testing.F, before string) {
	for _, text := range poison {
		f.Add([]byte(before + text))
	}
	for _, m := range []hub.Message{
		{}, {Data: []byte(`{}`), Tags: map[string]string{"a": "b"}, Time: 1, Tick: 2, Exclude: "x", ExcludeUser: "y"},
		{Info: &hub.ClientInfo{User: "u", Client: "c", ConnInfo: []byte(`{"a":[1,null]}`), ChanInfo: []byte(`-1.5e3`)}, Data: []byte("true")},
		{Kind: hub.KindJoin, Info: &hub.ClientInfo{Client: "c"}},
	} {
		f.Add(appendEnvelope([]byte(before), &m))
	}
}

// wantSendable checks that nothing in a message keeps an encoder from its work.
func wantSendable(t *testing.T, m *hub.Message) {
	t.Helper()
	if !m.Kind.Known() {
		return
	}
	parts := [][]byte{m.Data}
	if m.Info != nil {
		parts = append(parts, m.Info.ConnInfo, m.Info.ChanInfo)
	}
	for _, part := range parts {
		if part == nil {
			continue
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, part); err != nil || !bytes.Equal(compact.Bytes(), part) || !utf8.Valid(part) {
			t.Fatalf("%q is no JSON in compact form: %v", part, err)
		}
	}
}

func FuzzParseEnvelope(f *testing.F) {
	addEnvelopes(f, "")
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseEnvelope(b)
		if err != nil {
			return
		}
		wantSendable(t, m)
		again, err := parseEnvelope(appendEnvelope(nil, m))
		if err != nil {
			t.Fatalf("%q reads %+v, whose own envelope does not read: %v", b, m, err)
		}
		if m.Info != nil && reflect.DeepEqual(*m.Info, hub.ClientInfo{}) {
			m.Info = nil // nobody in particular
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(hub.Message{})); diff != "" {
			t.Fatalf("%q reads differently from its own envelope (-first +second):\n%s", b, diff)
		}
	})
}

func FuzzParsePublished(f *testing.F) {
	addEnvelopes(f, "7 abcd\n")
	f.Add([]byte("99999999999999999999 e\n\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parsePublished(b); err == nil {
			wantSendable(t, m)
			if m.Kind == hub.KindPublished && len(m.Data) == 0 {
				t.Errorf("%q reads %+v", b, m)
			}
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	for _, text := range poison {
		f.Add("3-0", text, "1700000000.5")
	}
	f.Add("18446744073709551615-0", "\x01d\x011", "9223372036854775807.9223372036854775807")
	f.Fuzz(func(t *testing.T, id, envelope, took string) {
		m, _, err := parseEntry(redis.XMessage{ID: id, Values: map[string]any{"m": envelope, "t": took}}, "epoch")
		if err != nil {
			return
		}
		wantSendable(t, m)
	})
}

func FuzzParseMember(f *testing.F) {
	f.Add("c", string(appendMember(nil, hub.ClientInfo{User: "ü 1", Client: "c", ChanInfo: []byte("{}")})))
	f.Add("a", "")
	f.Add("a", "0 \x01c\x01a")
	f.Add("", "1 u\x01u\x01u")
	f.Add("a", "99999999999999999999 \x01")
	f.Add("c", "-1 x")
	f.Fuzz(func(t *testing.T, client, value string) {
		info, err := parseMember(client, value)
		if err != nil {
			return
		}
		wantSendable(t, &hub.Message{Info: &info})
		if again, err := parseMember(client, string(appendMember(nil, info))); err != nil || !equal(info, again) {
			t.Fatalf("%q is %+v and then %+v (%v)", value, info, again, err)
		}
	})
}

// reply makes an answer of what Redis may answer to a script.
func replyOf(b []byte) *redis.Cmd {
	c := redis.NewCmd(context.Background())
	var value any
	if json.Unmarshal(b, &value) == nil {
		c.SetVal(withIntegers(value))
	} else {
		c.SetVal(string(b))
	}
	return c
}

// withIntegers makes numbers what Redis answers.
func withIntegers(value any) any {
	switch v := value.(type) {
	case float64:
		return int64(v)
	case []any:
		for i := range v {
			v[i] = withIntegers(v[i])
		}
	}
	return value
}

func addReplies(f *testing.F) {
	for _, text := range []string{
		`["5","abcdefgh","1700000000.5"]`, `[]`, `null`, `"x"`, `[1,2,3]`, `["-1","e","1.1"]`, `["1","e","x"]`, `[[],{},null]`,
		`["known","abcd","term","7"]`, `[1,"1","e","7"]`, `[0,"99999999999999999999","e","0"]`, `[1,1,"lease"]`,
	} {
		f.Add([]byte(text))
	}
}

func FuzzParsePosition(f *testing.F) {
	addReplies(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, _, err := parsePosition(replyOf(b))
		if err != nil && p != (hub.Position{}) {
			t.Errorf("%q is both %+v and %v", b, p, err)
		}
	})
}

func FuzzParsePublishReply(f *testing.F) {
	addReplies(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, count, err := parsePublishReply(replyOf(b)); err != nil && (r.Position.Offset > 0 || count > 0) {
			t.Errorf("%q is %+v at %d, and %v", b, r, count, err)
		}
	})
}

func FuzzParsePage(f *testing.F) {
	addReplies(f)
	for _, text := range []string{`["0",1,["c","0 x"],[]]`, `["7",2,["a","b"],["c","u"]]`, `["x",1,[],[]]`, `["0",1,["c"],[]]`, `["0",1,{},[7,8]]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePage(replyOf(b))
		if err == nil && (p.cursor == "" || len(p.whole)%2+len(p.bare)%2 > 0) {
			t.Fatalf("%q is %+v", b, p)
		}
	})
}

func FuzzParseLease(f *testing.F) {
	addReplies(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := replyOf(b).Slice()
		if err != nil {
			return
		}
		if r, err := parseLease(values); err == nil && len(r.dead) != len(values)-2 {
			t.Errorf("%q is %+v", b, r)
		}
	})
}

// FuzzIsCompact sets the reader of JSON beside that of the library.
func FuzzIsCompact(f *testing.F) {
	for _, text := range []string{
		`{"a":1,"b":[true,false,null,"\u00e9\n",-0.5e+10]}`, `[1,]`, `{"a":}`, `01`, `-`, `1.`, `"\u12"`, `"\x"`, ` 1`, `1 `, `{"a" :1}`, "\"\x7f\"", "[\"a\"\"b\"]", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var compact bytes.Buffer
		want := json.Compact(&compact, b) == nil && bytes.Equal(compact.Bytes(), b) && utf8.Valid(b)
		if got := isCompact(b); got != want && bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) <= maxDepth {
			t.Errorf("isCompact(%q) = %t, want %t", b, got, want)
		}
	})
}

// What stands in one another without end is refused, and not read without end.
func TestIsCompactIsBounded(t *testing.T) {
	for depth, want := range map[int]bool{64: true, maxDepth: true, maxDepth + 2: false, 1 << 20: false} {
		text := append(bytes.Repeat([]byte("["), depth), bytes.Repeat([]byte("]"), depth)...)
		if got := isCompact(text); got != want {
			t.Errorf("%d levels: %t, want %t", depth, got, want)
		}
	}
}

var messageData = map[string][]byte{
	"string": []byte(`"` + string(bytes.Repeat([]byte("d"), 126)) + `"`),
	"object": []byte(`{"id":12345,"text":"` + string(bytes.Repeat([]byte("hello world "), 6)) + `","user":"anna","n":[1,2,3.5],"ok":true}`),
}

// BenchmarkParsePublished is what a node does with a message that comes.
func BenchmarkParsePublished(b *testing.B) {
	for name, data := range messageData {
		b.Run(name, func(b *testing.B) {
			payload := appendEnvelope([]byte("7 abcdefgh\n"), &hub.Message{Data: data, Time: time.Now().UnixMilli()})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parsePublished(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
