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
		return slices.Clone(o.Within(all[:n]))
	}
	picked := slices.Clone(all[len(all)-n:])
	slices.Reverse(picked)
	return o.Within(picked)
}

// Within drops from what was read, in the order that was asked for, the messages
// that are over the Bytes.
func (o HistoryOptions) Within(read []*Message) []*Message {
	if o.Bytes <= 0 {
		return read
	}
	size := 0
	for i, m := range read {
		if size += m.size(); size > o.Bytes && i > 0 {
			return read[:i]
		}
	}
	return read
}

// Fresh drops from what a broker has read, in the order that was asked for, the
// messages that are too old by their Accepted: all of them at one end, so that
// there is never a hole.
func (o HistoryOptions) Fresh(read []*Message) []*Message {
	switch {
	case o.TTL == 0:
		return read
	case o.Reverse:
		oldest := time.Now().Add(-o.TTL)
		old := slices.IndexFunc(read, func(m *Message) bool { return m.Accepted.Before(oldest) })
		if old >= 0 {
			read = read[:old]
		}
		return read
	}
	return newerThan(read, time.Now().Add(-o.TTL))
}

// newerThan drops messages that the broker took before a time.
func newerThan(all []*Message, t time.Time) []*Message {
	i := slices.IndexFunc(all, func(m *Message) bool { return m.Accepted.IsZero() || !m.Accepted.Before(t) })
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
