package web

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
)

// FuzzPollRequest compares what is taken for a poll with what net/http reads.
func FuzzPollRequest(f *testing.F) {
	const head = " HTTP/1.1\r\nHost: x\r\n"
	for _, s := range []string{
		"POST /ws/a?via=poll&session=n.s&got=7" + head + "Content-Length: 0\r\n\r\n",
		"POST /ws/a?got=7&session=n.s&via=poll" + head + "Origin: http://x\r\nConnection: Keep-Alive\r\n\r\n",
		"POST /ws/a?via=poll&session=n.s&got=7" + head + "Content-Length: 1\r\n\r\n",
		"POST /ws/a?via=poll&via=send&session=n.s" + head + "\r\n",
		"POST /ws/a?via=poll&session=n.s" + head + "Transfer-Encoding: chunked\r\n\r\n",
		"POST /ws/a?via=poll&session=n.s" + head + " folded: x\r\n\r\n",
		"POST /ws/a?via=poll&session=n.s%41" + head + "\r\n",
		"GET /ws/a?via=poll&session=n.s" + head + "\r\n",
		"POST /ws/a?via=poll&session=n.s HTTP/1.0\r\nHost: x\r\n\r\n",
		"POST /ws/a?via=poll&session=n.s" + head + "Host: y\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		size := headSize(b)
		if size == 0 {
			return
		}
		for _, origin := range []string{"", "http://x"} {
			p, ok := pollRequest{path: "/ws/a", host: "x", origin: origin}.parse(b[:size])
			if !ok {
				continue
			}
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:size])))
			if err != nil {
				t.Fatalf("%q is taken, and net/http says %v", b, err)
			}
			query := r.URL.Query()
			got, err := number(query, "got")
			if r.Method != "POST" || r.URL.EscapedPath() != "/ws/a" || query.Get("via") != "poll" || len(query["via"]) != 1 ||
				query.Get("session") != p.node+"."+p.secret || err != nil || got != p.got ||
				r.Host != "x" || r.Header.Get("Origin") != origin || r.ContentLength != 0 || r.Close {
				t.Fatalf("%q is taken for %+v", b, p)
			}
		}
	})
}

// FuzzUpLine looks for lines of a client that are taken for what they are not.
func FuzzUpLine(f *testing.F) {
	for _, s := range []string{`"text"`, `["close",1000,"bye"]`, `["close"]`, `["binary"]`, `"\ud800"`, "\"a\xff\"", `[[]]`, `null`, `["close",1e3]`, `""`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		up, err := parseUpLine(line, 100)
		if err != nil {
			return
		}
		switch up.kind {
		case upText:
			again, err := parseUpLine(appendString(nil, string(up.text)), 100)
			if err != nil || again.kind != upText || !bytes.Equal(again.text, up.text) || len(up.text) > 100 {
				t.Fatalf("%q is read as %q, and that as %q, %v", line, up.text, again.text, err)
			}
		case upClose:
			if !mayClose(up.code) {
				t.Fatalf("%q closes with %d", line, up.code)
			}
		}
	})
}
