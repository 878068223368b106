package main

import "time"

// settings are what is asked for on the command line. Rows are made from them, so
// that a quick look does the same work as the published run, for less time.
type settings struct {
	only    string        // names of rows, with commas between; empty: all
	before  string        // a commit or a binary; empty: yardsticks are beside Belfry
	runs    int           // how many turns each variant has
	seconds int           // of publishing in a turn; some rows need more and take it
	idle    time.Duration // how long connections idle
	json    bool          // print JSON and no page
	file    string        // what all rows are written to; empty: nothing
}
