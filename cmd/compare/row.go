package main

import (
	"context"
	"slices"
)

// row is one kind of work, done by several servers in turn, and what is measured
// of it.
type row struct {
	name     string    // as it is asked for with -only
	work     string    // a sentence, the title in the results
	variants []variant // in the order of their turns
	measures []measure // their variants are named as here
	once     bool      // what it measures is no ratio: one turn is enough
	needs    string    // a program that is not built here; empty: none
}

// variant is one server doing the work.
type variant struct {
	name   string
	server string   // a key of servers
	flags  []string // of belfry bench
	once   bool     // only in the first run: it takes long
	// do does the work in place of belfry bench; nil: belfry bench loads the
	// server. It starts what it needs and leaves nothing running.
	do func(context.Context, *programs, variant) (*report, error)
	// beside, unless it is nil, starts what goes on beside belfry bench, and
	// returns when that is going on; stop ends it and waits.
	beside func(context.Context, *server) (stop func(), err error)
}

// turns is in how many of the runs a variant has its turn.
func (r *row) turns(v variant, runs int) int {
	if r.once || v.once {
		return 1
	}
	return runs
}

// ofBelfry are the variants that measure Belfry and no yardstick.
func (r *row) ofBelfry() []variant {
	return slices.DeleteFunc(slices.Clone(r.variants), func(v variant) bool { return v.do == nil && v.server != "belfry" })
}
