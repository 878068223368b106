package hub

import (
	"slices"
	"time"
)

// selectHistory picks from all the messages of a history, oldest first, what is
// asked for. It returns a new slice.
func selectHistory(all []*Message, o HistoryOptions) []*Message {
	if o.TTL > 0 {
		all = newerThan(all, time.Now().Add(-o.TTL))
	}
	if o.Since != nil {
		all = since(all, o)
	}
	n := len(all)
	if o.Limit >= 0 {
		n = min(n, o.Limit)
	}
	if !o.Reverse {
		return slices.Clone(all[:n])
	}
	picked := slices.Clone(all[len(all)-n:])
	slices.Reverse(picked)
	return picked
}

// newerThan drops messages from before a time. A message may be a little older
// than the one before it, because each node has its own clock.
func newerThan(all []*Message, t time.Time) []*Message {
	oldest := t.UnixMilli()
	i := slices.IndexFunc(all, func(m *Message) bool { return m.Time >= oldest })
	if i < 0 {
		return nil
	}
	return all[i:]
}

// since returns the messages behind a position, or those before it in reverse.
func since(all []*Message, o HistoryOptions) []*Message {
	if o.Reverse {
		end := slices.IndexFunc(all, func(m *Message) bool { return m.Offset >= o.Since.Offset })
		if end < 0 {
			return all
		}
		return all[:end]
	}
	start := slices.IndexFunc(all, func(m *Message) bool { return m.Offset > o.Since.Offset })
	if start < 0 {
		return nil
	}
	return all[start:]
}
