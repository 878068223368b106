package main

import "testing"

func TestParseServer(t *testing.T) {
	cases := []struct {
		text string
		want serverURL // empty: refused
	}{
		{"http://h", "http://h"},
		{"https://h:1/", "https://h:1"},
		{"ws://h:1", "http://h:1"},
		{"wss://h/a/b/", "https://h/a/b"},
		{"h:40132", "http://h:40132"},
		{"localhost", "http://localhost"},
		{"[::1]:1", "http://[::1]:1"},
		{"ftp://h", ""},
		{"http://", ""},
		{":40132", ""},
		{"http://u:p@h", ""},
		{"http://h?q=1", ""},
		{"http://h#f", ""},
		{"http://h:port", ""},
		{"http://a b", ""},
	}
	for _, tc := range cases {
		if got, err := parseServer(tc.text); got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("parseServer(%q) = %q, %v; want %q", tc.text, got, err, tc.want)
		}
	}
	if got, want := serverURL("https://h/a").webSocket("/ws/x"), "wss://h/a/ws/x"; got != want {
		t.Errorf("webSocket: got %s, want %s", got, want)
	}
}
