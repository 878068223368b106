package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// template is a message in the form in which it is sent to one channel, of which
// only the marker changes.
type template struct {
	bytes  []byte
	marker int // where the marker is
}

// newTemplate finds the marker of a text in what was made of it.
func newTemplate(made []byte, text string) template {
	return template{made, bytes.Index(made, []byte(text[:prefixSize]))}
}

func (t *template) put(s stamp) []byte {
	s.put(t.bytes[t.marker:])
	return t.bytes
}

// text is a message's text but for what its marker says.
func (r *run) text() string {
	return r.prefix + strings.Repeat("0", markerSize-prefixSize) + strings.Repeat("x", r.Size-markerSize)
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

// openPublishers opens what messages are sent over.
func (r *run) openPublishers(ctx context.Context) error {
	open := r.socketPaths
	if r.PublishURL != "" {
		u, err := url.Parse(r.PublishURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%s: want a URL that begins with http:// or https://", r.PublishURL)
		}
		d, err := newDialer(ctx, u, r.AllowRemote)
		if err != nil {
			return err
		}
		open = func() (path, error) { return r.openHTTP(ctx, d, u) }
	}
	for i := range r.Publishers {
		path, err := open()
		if err != nil {
			return fmt.Errorf("publisher %d of %d: %w", i+1, r.Publishers, err)
		}
		r.publishers = append(r.publishers, &publisher{run: r, index: i, path: path, sent: make([]uint32, r.Channels)})
	}
	return nil
}
