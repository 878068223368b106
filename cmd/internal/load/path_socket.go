package load

import (
	"fmt"

	"belfry/cmd/internal/client"
)

// socketPath publishes over the WebSocket of the first subscriber of each
// channel, as chats do. Several publishers share these.
type socketPath struct {
	subscribers []*subscriber // by channel
	templates   []template    // by channel
	counts      bool          // this path answers for what the connections refuse
	closed      func() map[int]int
	frame       []byte
	err         error // the first that a connection could not send
}

// newSocketPath publishes over these subscribers, one of each channel. closed returns
// the close codes of all connections so far. Of several paths over the same
// subscribers only one counts what they refuse.
func newSocketPath(subscribers []*subscriber, templates []template, counts bool, closed func() map[int]int) *socketPath {
	return &socketPath{subscribers: subscribers, templates: templates, counts: counts, closed: closed}
}

func (p *socketPath) start() {}

// finish waits for nothing: the deliveries are waited for.
func (p *socketPath) finish() error { return nil }

// add sends at once: each channel has a connection of its own.
func (p *socketPath) add(channel int, s stamp) {
	p.frame = client.AppendText(p.frame[:0], p.templates[channel].put(s))
	if _, err := p.subscribers[channel].conn.Write(p.frame); err != nil {
		p.err = fmt.Errorf("publishing over a subscriber's connection: %w: %s", err, p.reason())
	}
}

func (p *socketPath) flush() error { return p.err }

// refused counts for the connection, whichever publisher used it. With several
// publishers a refused message is counted once: by the first.
func (p *socketPath) refused(channel int) uint32 {
	if !p.counts {
		return 0
	}
	return p.subscribers[channel].refused.Load()
}

// reason is known only when the server has closed connections.
func (p *socketPath) reason() string {
	if all := p.closed(); len(all) > 0 {
		return "the server closed connections" + codes(all)
	}
	return ""
}

func (p *socketPath) close() {}
