package hub

import (
	"fmt"
	"sync"
	"time"
)

// memoryKeys are the idempotency keys that the memory broker remembers, those of all
// channels together.
type memoryKeys struct {
	most int

	mu    sync.Mutex // guards what follows
	taken int        // keys, and publishes under way that will add one
	known map[memoryKey]memoryOnce
	ends  map[int64][]memoryKey // by the Unix second in which they are over
	first int64                 // no key is over before this second
}

// memoryKey is an idempotency key of a channel.
type memoryKey struct{ channel, key string }

// memoryOnce is what came of the first publish under a key, and until when that is
// remembered.
type memoryOnce struct {
	position Position
	end      time.Time
}

func newMemoryKeys(most int) memoryKeys {
	return memoryKeys{most: most, known: make(map[memoryKey]memoryOnce), ends: make(map[int64][]memoryKey)}
}

// find returns what came of the first publish under a key. The channel is locked
// until there is one.
func (k *memoryKeys) find(key memoryKey, now time.Time) (p Position, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	once, known := k.known[key]
	return once.position, known && now.Before(once.end)
}

// reserve takes a place for a key, which is filled by add or given back by release.
// The error is a [LimitError].
func (k *memoryKeys) reserve(now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.taken >= k.most {
		k.drop(now, sweepSlice)
	}
	if k.taken >= k.most {
		return &LimitError{"limits.idempotency_keys", fmt.Sprintf("%d idempotency keys are remembered, and no more until some of them are over", k.most)}
	}
	k.taken++
	return nil
}

func (k *memoryKeys) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken--
}

// add remembers a key, in the place that was reserved.
func (k *memoryKeys) add(key memoryKey, once memoryOnce) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, over := k.known[key]; over {
		k.taken-- // it has the place of the one before, which was not swept yet
	}
	second := once.end.Unix()
	if len(k.ends) == 0 || second < k.first {
		k.first = second
	}
	k.known[key] = once
	k.ends[second] = append(k.ends[second], key)
}

// sweep forgets keys that are over, at most so many, and reports whether there are
// more.
func (k *memoryKeys) sweep(now time.Time, most int) (more bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.drop(now, most)
}

// drop is sweep under the lock.
func (k *memoryKeys) drop(now time.Time, most int) (more bool) {
	for ; len(k.ends) > 0 && k.first < now.Unix(); k.first++ {
		keys := k.ends[k.first]
		n := min(len(keys), most)
		for _, key := range keys[:n] {
			if once, known := k.known[key]; known && !now.Before(once.end) { // it may have come again
				delete(k.known, key)
				k.taken--
			}
		}
		if most -= n; n < len(keys) {
			k.ends[k.first] = keys[n:]
			return true
		}
		delete(k.ends, k.first)
	}
	return false
}
