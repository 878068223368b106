package load

import "fmt"

// socketPath publishes over the WebSocket of the first subscriber of each
// channel.
type socketPath struct {
	run       *run
	templates []template // by channel
	frame     []byte
	err       error
}

func (r *run) socketPaths() (path, error) {
	p := &socketPath{run: r}
	for channel := range r.Channels {
		made := []byte(r.text())
		if r.Protocol == Centrifuge {
			made = fmt.Appendf(nil, "{\"id\":%d,\"publish\":%s}", publishID, publication(r.channelName(channel), r.text()))
		}
		p.templates = append(p.templates, newTemplate(made, r.text()))
	}
	return p, nil
}

func (p *socketPath) start() {}

// finish waits for nothing: the deliveries are waited for.
func (p *socketPath) finish() error { return nil }

// add sends at once: each channel has a connection of its own.
func (p *socketPath) add(channel int, s stamp) {
	p.frame = appendFrame(p.frame[:0], opText, p.templates[channel].put(s))
	if _, err := p.run.subscribers[channel].Write(p.frame); err != nil {
		p.err = fmt.Errorf("publishing over a subscriber's connection: %w: %s", err, p.reason())
	}
}

func (p *socketPath) flush() error { return p.err }

// refused counts for the connection, whichever publisher used it. With several
// publishers a refused message is counted once: by the first.
func (p *socketPath) refused(channel int) uint32 {
	if p != p.run.publishers[0].path {
		return 0
	}
	return p.run.subscribers[channel].refused.Load()
}

func (p *socketPath) reason() string {
	if all := p.run.closeCodes(); len(all) > 0 {
		return "the server closed connections" + codes(all)
	}
	return ""
}

func (p *socketPath) close() {}
