package hub_test

import (
	"errors"
	"strings"
	"testing"

	"belfry/hub"
)

func TestCheckChannel(t *testing.T) {
	for _, c := range []struct {
		name, channel, rule string // rule: what the error says, empty when accepted
	}{
		{"plain", "chat", ""},
		{"one byte", "c", ""},
		{"punctuation", "$user:42/{a}#*", ""},
		{"spaces", "two words ", ""},
		{"not ASCII", "Glöckchen 鐘 🔔", ""},
		{"line separator", "a\u2028b", ""},
		{"longest", strings.Repeat("c", hub.MaxChannelName), ""},
		{"longest, in runes of three bytes", strings.Repeat("鐘", hub.MaxChannelName/3), ""},
		{"empty", "", "it is empty"},
		{"too long", strings.Repeat("c", hub.MaxChannelName+1), "it has 256 bytes, at most 255 are accepted"},
		{"too long in bytes, not in runes", strings.Repeat("鐘", 86), "it has 258 bytes"},
		{"line feed", "a\nb", "control character"},
		{"NUL", "\x00", "control character"},
		{"delete", "a\x7f", "control character"},
		{"C1 control", "a\u0085b", "control character"},
		{"not UTF-8", "a\xffb", "not valid UTF-8"},
		{"half a rune", "鐘"[:2], "not valid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := hub.CheckChannel(c.channel)
			if c.rule == "" {
				if err != nil {
					t.Fatalf("CheckChannel(%q) = %v, want nil", c.channel, err)
				}
				return
			}
			if !errors.Is(err, hub.ErrChannelName) || !strings.Contains(err.Error(), c.rule) {
				t.Fatalf("CheckChannel(%q) = %v, want an ErrChannelName saying %q", c.channel, err, c.rule)
			}
		})
	}
}
