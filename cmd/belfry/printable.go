package main

import (
	"strconv"
	"strings"
	"unicode"
)

// printable returns text from elsewhere as one line that does nothing to a
// terminal: control characters, line separators and marks that turn the
// direction of writing are shown escaped.
func printable(text string) string {
	if !strings.ContainsFunc(text, isActive) {
		return strings.ToValidUTF8(text, "�")
	}
	var b strings.Builder
	for _, r := range text {
		if isActive(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isActive reports whether a terminal does more with a character than show it.
func isActive(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
