package configs

import "strings"

// items splits at commas and drops spaces and empty items.
func items(text string) []string {
	all := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			all = append(all, item)
		}
	}
	return all
}

// wrapping says what is around a value that does not belong to it, or nothing.
func wrapping(text string) string {
	switch {
	case strings.TrimRight(text, "\r\n") != text:
		return "ends in a line break, which would be a part of it; want it without"
	case len(text) > 1 && text[0] == text[len(text)-1] && (text[0] == '"' || text[0] == '\''):
		return "is in quotes, which would be a part of it; want it without"
	}
	return ""
}

// list writes names for a sentence: a, b and c.
func list(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
