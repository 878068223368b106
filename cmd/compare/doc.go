// Command compare measures Belfry beside the yardsticks of cmd/reference: it
// starts each server as a process of its own, does the same work with each in
// turn, and sets what came of it beside a bar. Some rows start a redis-server, too.
// It takes about twenty minutes and the whole machine.
//
// With -before it measures Belfry beside an older Belfry instead: each row is done
// by both builds in turn, and what the newer one costs is printed as a multiple of
// the other. The load always comes from the newer one. A few rows take a few
// minutes:
//
//	go run ./cmd/compare -before main~1 -only steady,busy
//	go run ./cmd/compare -before main~1 -only idle -idle 30s -runs 2
//
// # The files, in the order in which they are used
//
//	main.go, settings.go     what was asked for
//	rows.go                  the list of rows, which rows_*.go make: each has its
//	row.go, measure.go       variants, and measures of them with bars
//	turns.go                 has one variant after another do the work
//	programs.go, server.go   builds what is run; starts and stops one server
//	bench.go, flood.go,      the work: belfry bench, and what goes on beside it
//	strangers.go, among.go
//	users.go, revoke.go      clients with tokens, and taking these back
//	cluster.go, regain.go    the work of several instances that meet at a Redis,
//	redis_*.go               which is a process that can be killed
//	report.go                what one variant has made in one turn
//	result.go, markdown.go   what came of a row, and the page of all rows
//	older.go, beside.go      the older build, and the table beside it
//
// Rows know servers and work, and neither of these knows a row: a new row is a
// function in one of the rows_*.go and a line in rows.go.
//
// Rows about users have a server with a key for tokens, new in each turn, and give
// belfry bench a file with a token for each connection. Their other half is the same
// work done by anonymous clients of a server that has no such key: what users cost is
// what stands between the two, and what anonymous clients cost beside an older build is
// what the rows above say with -before. An older Belfry that knows no users does not
// start with such a configuration.
//
// What a number is worth depends on what it stands beside. The variants of a row
// have their turns within one run, minutes apart, and a ratio is taken within the
// run before the median of the runs is: on a machine that is shared, numbers of
// two days say nothing about two programs.
package main
