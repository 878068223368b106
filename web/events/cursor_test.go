package events

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/hub"
)

func TestCursorBytes(t *testing.T) {
	var c cursor
	c.set("a", hub.Position{Epoch: "epoch123", Offset: 5})
	c.set("none", hub.Position{})
	c.set("b", hub.Position{Epoch: "e", Offset: 300})
	c.set("a", hub.Position{Epoch: "epoch123", Offset: 6})
	// FNV-1a of "a" is e40c292c, of "b" e70c2de5.
	want := base64.RawURLEncoding.EncodeToString([]byte("\x01\xe4\x0c\x29\x2c\x08epoch123\x06\xe7\x0c\x2d\xe5\x01e\xac\x02"))
	if got := string(c.append(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	back, err := parseCursor(want)
	if diff := cmp.Diff(c, back, cmp.AllowUnexported(mark{})); err != nil || diff != "" {
		t.Errorf("read back: %v -want +got:\n%s", err, diff)
	}
	if p := back.position("b"); p == nil || p.Offset != 300 || back.position("c") != nil {
		t.Errorf("position of b: %v, of c: %v", p, back.position("c"))
	}
}

// TestCursorFits has as many channels as a stream may have, each at the end of
// its numbers.
func TestCursorFits(t *testing.T) {
	var c cursor
	for i := range maxMarks {
		c.set(fmt.Sprint(i), hub.Position{Epoch: strings.Repeat("e", maxEpoch), Offset: math.MaxUint64})
	}
	text := string(c.append(nil))
	if back, err := parseCursor(text); len(text) > maxCursor || err != nil || len(back) != maxMarks {
		t.Errorf("%d positions have %d bytes, %d come back: %v", maxMarks, len(text), len(back), err)
	}
}

// TestEpochsFitIntoCursors looks at an epoch that the hub has made.
func TestEpochsFitIntoCursors(t *testing.T) {
	h := hub.New(hub.Options{Rules: hub.Rules{{Match: "*", History: hub.History{Size: 1}}}})
	r, err := h.History(t.Context(), "news", hub.HistoryOptions{})
	if n := len(r.Position.Epoch); err != nil || n == 0 || n > maxEpoch {
		t.Errorf("epoch %q, %v: want 1 to %d bytes", r.Position.Epoch, err, maxEpoch)
	}
}

func TestBadCursors(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	for name, text := range map[string]string{
		"empty":                "",
		"not base64":           "@@@@",
		"padded":               "AQ==",
		"bits left over":       "AR",
		"of another version":   encode([]byte{2}),
		"too long":             strings.Repeat("A", maxCursor+1),
		"cut in the hash":      encode([]byte("\x01abc")),
		"cut before the epoch": encode([]byte("\x01abcd")),
		"no epoch":             encode([]byte("\x01abcd\x00\x05")),
		"cut in the epoch":     encode([]byte("\x01abcd\x03ep")),
		"long epoch":           encode([]byte("\x01abcd\x09epochepoc\x05")),
		"no offset":            encode([]byte("\x01abcd\x02ep")),
		"offset cut":           encode([]byte("\x01abcd\x02ep\x80")),
		"offset over 64 bits":  encode([]byte("\x01abcd\x02ep\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")),
		"too many":             encode([]byte("\x01" + strings.Repeat("abcd\x01e\x05", maxMarks+1))),
	} {
		if c, err := parseCursor(text); err == nil {
			t.Errorf("%s: %q is read as %v", name, text, c)
		}
	}
}

// FuzzParseCursor: what is read is written again as something that is read the
// same, and that a client may send.
func FuzzParseCursor(f *testing.F) {
	for _, text := range []string{"", "AQ", "AeQMKSwIZXBvY2gxMjMG5wwt5QFlrAI", strings.Repeat("_", maxCursor)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			return
		}
		again := string(c.append(nil))
		back, err := parseCursor(again)
		if diff := cmp.Diff(c, back, cmp.AllowUnexported(mark{})); err != nil || diff != "" || len(again) > maxCursor {
			t.Errorf("%q: %q, %v\n%s", text, again, err, diff)
		}
	})
}

func TestFieldsStayOnTheirLine(t *testing.T) {
	if got := string(appendField(nil, "id", "a\r\nb\x00c\nevent: x")); got != "id: abcevent: x\n" {
		t.Errorf("got %q", got)
	}
}
