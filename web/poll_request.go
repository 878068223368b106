package web

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
)

// pollRequest is a poll as it is read from a connection on which polls follow one
// another.
type pollRequest struct {
	path, host, origin string // have to be those of the first poll
	node, secret       string // of the session
	got                uint64
}

// headSize returns the size of the head that b begins with, with the empty line at
// its end, or 0 when it is not all there. Lines may end without a carriage return
// (RFC 9112, section 2.2), though not those of a poll.
func headSize(b []byte) int {
	for i := 0; ; {
		end := bytes.IndexByte(b[i:], '\n')
		if end < 0 {
			return 0
		}
		i += end + 1
		if rest := b[i:]; bytes.HasPrefix(rest, []byte("\n")) {
			return i + 1
		} else if bytes.HasPrefix(rest, []byte("\r\n")) {
			return i + 2
		}
	}
}

// parse reads the head of a request. It returns false unless that is a poll like
// the first in every point that matters, and is written as clients write it: what
// is not understood here is for the HTTP server to read.
func (p pollRequest) parse(head []byte) (pollRequest, bool) {
	line, rest, _ := strings.Cut(string(head), "\r\n")
	query, ok := strings.CutPrefix(line, "POST "+p.path+"?")
	if !ok {
		return p, false
	}
	if query, ok = strings.CutSuffix(query, " HTTP/1.1"); !ok || !p.readQuery(query) {
		return p, false
	}
	return p, p.hasHeader(rest)
}

// readQuery reads via=poll, session and got, each once at most.
func (p *pollRequest) readQuery(query string) bool {
	if strings.ContainsAny(query, "%+; #") {
		return false
	}
	var via, session, got string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		var field *string
		switch name {
		case "via":
			field = &via
		case "session":
			field = &session
		case "got":
			field = &got
		}
		if field == nil || *field != "" || value == "" {
			return false
		}
		*field = value
	}
	var err1, err2 error
	p.node, p.secret, err1 = splitSessionName(session)
	if got != "" {
		p.got, err2 = strconv.ParseUint(got, 10, 64)
	}
	return via == "poll" && err1 == nil && err2 == nil
}

// notInName is true for what names of header fields do not have in practice.
func notInName(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// hasHeader compares the fields of a header that matter with those of the first
// poll. There must be no body.
func (p *pollRequest) hasHeader(fields string) bool {
	var host, origin string
	for line := range strings.SplitSeq(strings.TrimSuffix(fields, "\r\n\r\n"), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsFunc(name, notInName) || strings.ContainsFunc(value, unicode.IsControl) {
			return false
		}
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "Host"):
			ok = host == ""
			host = value
		case strings.EqualFold(name, "Origin"):
			ok = origin == ""
			origin = value
		case strings.EqualFold(name, "Content-Length"):
			ok = value == "0"
		case strings.EqualFold(name, "Connection"):
			ok = strings.EqualFold(value, "keep-alive")
		case strings.EqualFold(name, "Transfer-Encoding"), strings.EqualFold(name, "Upgrade"),
			strings.EqualFold(name, "Expect"), strings.EqualFold(name, "Trailer"):
			ok = false
		}
		if !ok {
			return false
		}
	}
	return host == p.host && origin == p.origin
}
