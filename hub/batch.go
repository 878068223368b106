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
	d := Delivery{Messages: b.messages, Frames: enc.bytes}
	if s.after >= b.first {
		seen := int(s.after - b.first + 1)
		d = Delivery{Messages: b.messages[seen:], Frames: enc.bytes[enc.ends[seen-1]:]}
	}
	if b.excludes {
		d = b.without(s.subscriber.ID(), enc, d)
	}
	return d
}

// without drops the messages that exclude the subscriber from a delivery that
// ends where the batch ends.
func (b *batch) without(id string, enc *encoded, d Delivery) Delivery {
	var kept Delivery
	for i := len(b.messages) - len(d.Messages); i < len(b.messages); i++ {
		if b.messages[i].Exclude == id {
			continue
		}
		start := 0
		if i > 0 {
			start = enc.ends[i-1]
		}
		kept.Messages = append(kept.Messages, b.messages[i])
		kept.Frames = append(kept.Frames, enc.bytes[start:enc.ends[i]]...)
	}
	return kept
}
