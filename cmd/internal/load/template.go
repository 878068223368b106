package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// template is a message in the form in which it is sent to one channel, of which
// only the marker changes: nothing is put together for a message. It is for one
// goroutine.
type template struct {
	bytes  []byte
	marker int // where the marker is
}

// newTemplate finds the marker of a text in what was made of it.
func newTemplate(made []byte, text string) template {
	return template{made, bytes.Index(made, []byte(text[:prefixSize]))}
}

// put returns the message with a stamp. It is valid until the next call.
func (t *template) put(s stamp) []byte {
	s.put(t.bytes[t.marker:])
	return t.bytes
}

// messageText is a message's text of so many bytes but for what its marker says.
// Nothing in it needs quoting in JSON.
func messageText(prefix string, size int) string {
	return prefix + strings.Repeat("0", markerSize-prefixSize) + strings.Repeat("x", size-markerSize)
}

// publication is the JSON in which a message is published.
func publication(channel, text string) []byte {
	return fmt.Appendf(nil, "{\"channel\":%s,\"data\":%s}", quote(channel), quote(text))
}

// quote returns a string as JSON has it.
func quote(text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return quoted
}
