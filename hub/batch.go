package hub

// batch is what one round of a channel delivers: messages that follow one
// another, each encoded once per wire format.
type batch struct {
	messages []*Message
	first    uint64    // sequence of messages[0] on this node
	formats  []format  // the channel's, when the batch was taken
	frames   []encoded // by number of format
	excludes bool      // some message has an Exclude
	loss     bool      // the one message is the mark of a loss
}

// encoded holds the frames of a batch in one wire format.
type encoded struct {
	bytes []byte
	ends  []int // ends[i] is where the frame of message i ends
}

// last returns the sequence of the batch's last message.
func (b *batch) last() uint64 { return b.first + uint64(len(b.messages)) - 1 }

// encode makes the frames for the formats in use. Frames are never written
// over: subscribers may keep them until their sockets have taken them.
func (b *batch) encode(channel string) {
	b.frames = make([]encoded, len(b.formats))
	for i, f := range b.formats {
		if f.subscribers > 0 {
			b.frames[i] = encode(f.encoder, channel, b.messages)
		}
	}
	for _, m := range b.messages {
		b.excludes = b.excludes || m.Exclude != ""
	}
}

func encode(e Encoder, channel string, messages []*Message) encoded {
	size := 0
	for _, m := range messages {
		size += len(m.Data) + 64
	}
	enc := encoded{bytes: make([]byte, 0, size), ends: make([]int, len(messages))}
	for i, m := range messages {
		enc.bytes = e.AppendFrame(enc.bytes, channel, m)
		enc.ends[i] = len(enc.bytes)
	}
	return enc
}

// delivery returns what of the batch is new to the subscription. It has no
// messages when nothing is.
func (b *batch) delivery(s *Subscription) Delivery {
	if s.after >= b.last() {
		return Delivery{}
	}
	enc := &b.frames[s.format]
	d := Delivery{Messages: b.messages, Frames: enc.bytes, ends: enc.ends}
	if s.after >= b.first {
		d = d.after(int(s.after - b.first + 1))
	}
	if b.excludes {
		d = d.without(s.subscriber.ID())
	}
	return d
}

// after leaves the first messages out, of which there is one at least.
func (d Delivery) after(seen int) Delivery {
	end := d.ends[seen-1]
	return Delivery{Messages: d.Messages[seen:], Frames: d.Frames[end-d.base:], ends: d.ends[seen:], base: end}
}

// without copies the messages that do not exclude the subscriber.
func (d Delivery) without(id string) (kept Delivery) {
	for i, m := range d.Messages {
		if m.Exclude != id {
			kept.add(m, d.Frame(i))
		}
	}
	return kept
}

// add puts a copy of a frame at the end. The delivery is one that nobody has yet.
func (d *Delivery) add(m *Message, frame []byte) {
	d.Messages = append(d.Messages, m)
	d.Frames = append(d.Frames, frame...)
	d.ends = append(d.ends, d.base+len(d.Frames))
}
