package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// printText returns a function that prints messages for people, each on a line
// of its own: time, channel and data, the columns aligned for these channels. The
// time is this machine's, when the message was read; the message has none.
func printText(w io.Writer, channels []string) func(message) error {
	width := 0
	for _, c := range channels {
		width = max(width, utf8.RuneCountInString(printable(c)))
	}
	return func(m message) error {
		_, err := fmt.Fprintf(w, "%s  %-*s  %s\n", time.Now().Format("15:04:05.000"), width, printable(m.Channel), printable(dataText(m.Data)))
		return err
	}
}

// dataText is the text of a JSON string, and any other JSON as it is.
func dataText(data json.RawMessage) string {
	var text string
	if len(data) > 0 && data[0] == '"' && json.Unmarshal(data, &text) == nil {
		return text
	}
	return string(data)
}

// printJSON returns a function that prints messages for programs, each a JSON
// object on a line of its own. Only what JSON itself wants escaped is escaped.
func printJSON(w io.Writer) func(message) error {
	return func(m message) error {
		text, err := marshal(m)
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	}
}
