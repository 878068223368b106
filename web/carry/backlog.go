package carry

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"belfry/web/wire"
)

// betweenRequests is how long a client may take from one request to the next until
// it counts as away.
const betweenRequests = 2 * time.Second

// errBacklogs is why a client is given up that has no request under way.
var errBacklogs = fmt.Errorf("limits.backlog: too much is kept for clients over HTTP that have no request under way: %w", wire.ErrSlow)

// allowance is how many bytes the backlogs of a node may have whose clients have no
// request under way, and how many they have. Clients that are away have the use of
// one half of it, so that those between two requests find room.
type allowance struct {
	most int64
	used atomic.Int64
}

// takes reports whether so many bytes more may be kept for a client that has had no
// request for so long.
func (a *allowance) takes(n int, since time.Duration) bool {
	most := a.most
	if since > betweenRequests {
		most /= 2
	}
	return a.used.Load()+int64(n) <= most
}

const (
	// chunkCost is what a chunk costs beside its bytes, which others share.
	chunkCost = 64
	// ackSlack is how much a client may have and not have acknowledged yet: it
	// does so after 64 KiB, and needs time to say it.
	ackSlack = 128 << 10
)

// backlog is what a client over HTTP has not acknowledged yet: frames that it may
// have to be sent again. Lines are counted, and bytes have positions, both from
// the begin of the session. It is guarded by its owner.
type backlog struct {
	dialect Dialect // what the frames are in
	chunks  []chunk
	size    int    // bytes in chunks
	start   uint64 // position of the first byte in chunks
	before  uint64 // lines that came before chunks
	lines   uint64 // all lines that ever came

	from    *allowance // that is used while no request carries the session
	carried bool
}

// chunk is whole frames that came together, and that other sessions share.
type chunk struct {
	frames []byte
	lines  int
}

// add puts frames at the end.
func (b *backlog) add(frames []byte) {
	lines := b.count(frames)
	b.chunks = append(b.chunks, chunk{frames, lines})
	b.size += len(frames)
	b.lines += uint64(lines)
	b.use(len(frames) + chunkCost)
}

// use counts bytes that are kept, or are not any more.
func (b *backlog) use(n int) {
	if b.from != nil && !b.carried {
		b.from.used.Add(int64(n))
	}
}

// carry notes whether a request carries the session.
func (b *backlog) carry(yes bool) {
	if yes == b.carried {
		return
	}
	b.use(-b.cost())
	b.carried = yes
	b.use(b.cost())
}

// count returns how many lines of frames are counted. Where nothing is acknowledged
// they count as one.
func (b *backlog) count(frames []byte) int {
	if d, ok := b.dialect.(lines); ok {
		return d.count(frames)
	}
	return 1
}

// end is the position behind the last byte.
func (b *backlog) end() uint64 { return b.start + uint64(b.size) }

// cost is what the backlog takes of the session's limit.
func (b *backlog) cost() int { return b.size + len(b.chunks)*chunkCost }

// acknowledge forgets chunks of which the client has every line. It has the first
// n of the session.
func (b *backlog) acknowledge(n uint64) {
	i, lines := 0, b.before
	for i < len(b.chunks) && lines+uint64(b.chunks[i].lines) <= n {
		lines += uint64(b.chunks[i].lines)
		i++
	}
	b.forget(i)
}

// release forgets chunks that lie before a position.
func (b *backlog) release(position uint64) {
	i, at := 0, b.start
	for i < len(b.chunks) && at+uint64(len(b.chunks[i].frames)) <= position {
		at += uint64(len(b.chunks[i].frames))
		i++
	}
	b.forget(i)
}

// clear forgets everything.
func (b *backlog) clear() { b.forget(len(b.chunks)) }

// forget drops the first chunks.
func (b *backlog) forget(n int) {
	for _, c := range b.chunks[:n] {
		b.use(-len(c.frames) - chunkCost)
		b.size -= len(c.frames)
		b.start += uint64(len(c.frames))
		b.before += uint64(c.lines)
	}
	if n == len(b.chunks) {
		b.chunks = nil // an idle session keeps nothing
		return
	}
	b.chunks = slices.Delete(b.chunks, 0, n)
}

// position returns where the line after the first n begins. What was forgotten
// is left out.
func (b *backlog) position(n uint64) uint64 {
	at, before := b.start, b.before
	for _, c := range b.chunks {
		if before+uint64(c.lines) > n {
			if d, ok := b.dialect.(lines); ok && n > before {
				at += uint64(d.skip(c.frames, int(n-before)))
			}
			return at
		}
		at += uint64(len(c.frames))
		before += uint64(c.lines)
	}
	return at
}

// since returns what follows a position, which is not before the start: whole
// chunks, as many as fit into most bytes, or a part of one that is larger. It
// reports whether it ends where a chunk does.
func (b *backlog) since(position uint64, most int) (parts [][]byte, size int, whole bool) {
	at := b.start
	for _, c := range b.chunks {
		end := at + uint64(len(c.frames))
		if position >= end {
			at = end
			continue
		}
		part := c.frames[max(position, at)-at:]
		at = end
		if size+len(part) > most {
			if size == 0 {
				return [][]byte{part[:most]}, most, false
			}
			break
		}
		parts, size = append(parts, part), size+len(part)
	}
	return parts, size, true
}
