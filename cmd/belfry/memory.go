package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// trimEvery is how often the program looks whether it has become quiet: it is when
// no collection was needed between two looks.
const trimEvery = 10 * time.Second

// trimMemory gives memory back to the system when the program has become quiet,
// until the context ends. After a burst, such as ten thousand clients that
// connect at once, the runtime keeps as much as its next collection might need,
// about 3 KiB for each of them, and on a quiet server none comes. It is done once
// after each burst: what a collection of its own frees is no reason for the next.
func trimMemory(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	last, trimmed := collections(), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := collections()
			if now == last && now != trimmed {
				now = trim()
				trimmed = now
			}
			last = now
		}
	}
}

// trim collects and gives back what is free, and returns how often the
// collector has run now. A collection makes a stack that was large once half as
// large at most, so there are three.
func trim() uint64 {
	runtime.GC()
	runtime.GC()
	debug.FreeOSMemory() // the third
	return collections()
}

// collections returns how often the garbage collector has run.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
