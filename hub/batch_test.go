package hub

import (
	"bytes"
	"testing"
)

type plain struct{}

func (plain) AppendFrame(dst []byte, _ string, m *Message) []byte { return append(dst, m.Data...) }

// The size of the first message says nothing about those behind it.
func TestEncodeTakesMemoryByWhatThereIs(t *testing.T) {
	messages := []*Message{{Data: bytes.Repeat([]byte("d"), 32<<10)}}
	for range 1000 {
		messages = append(messages, &Message{Data: []byte("1")})
	}
	enc := encode(plain{}, "chat", messages)
	if want := 32<<10 + 1000; len(enc.bytes) != want || enc.ends[1000] != want {
		t.Errorf("the frames have %d bytes and end at %d, want %d", len(enc.bytes), enc.ends[1000], want)
	}
	if most := 200 << 10; cap(enc.bytes) > most {
		t.Errorf("room was made for %d bytes of frames, want at most %d", cap(enc.bytes), most)
	}
}

// Small messages cost memory beside their data, and a round is written as one
// piece: both are bounded by more than the data.
func TestSmallMessagesCount(t *testing.T) {
	c := newChannel(New(Options{}), "chat", &Rule{})
	c.draining = true // nobody drains
	for range 10_000 {
		c.enqueue(&Message{Data: []byte("1")})
	}
	if b := c.take(); len(b.messages) > 1000 {
		t.Errorf("a round takes %d messages of one byte", len(b.messages))
	}
	if c.queued < 1<<20 {
		t.Errorf("10,000 messages of one byte count as %d bytes in the queue", c.queued)
	}
}
