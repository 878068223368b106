// Command belfry is a real-time pub/sub hub. Without a command it serves; the
// other commands are clients of a running server.
//
// # The files
//
//	main.go, terminal.go       the command line, exit codes
//	signals.go                 what stops a command, and what does not
//
//	serve.go                   belfry serve: makes the parts, runs them, stops them in order
//	serve_http.go              the HTTP port, and how long a request may take
//	serve_options.go           the configuration in the words of the parts
//	serve_policy.go            who gets a Flash policy, from the configuration
//	welcome.go                 what a newcomer sees first
//	memory.go                  gives memory back when it has become quiet
//	config.go, health.go       belfry config, belfry health
//	token.go, token_check.go   belfry token: makes tokens and checks them, by what a
//	token_judge.go             server has to judge them; token_text.go has the words
//	version.go                 belfry version
//
//	server_url.go              the address of a running server, for its clients
//	reach.go                   what to say when it cannot be reached, or says no
//	publish.go                 belfry publish, by the HTTP API (publish_api.go)
//	subscribe.go               belfry subscribe: prints (print.go, printable.go) what
//	follow.go, backoff.go      a follower is given, who stays subscribed over one
//	connection.go, client.go   connection after another
//	bench.go                   belfry bench, which package load does
//	bench_progress.go
//
// This package wires the parts together and has no rules of its own: hub and web say
// what may happen on a channel, and configs what a setting means. The commands that
// are clients know only the address of a server, which may be on another machine;
// they share no code with it but the check of a channel's name.
//
// What was asked for goes to standard output, and everything said about it to
// standard error. An error says in one sentence what is wrong and what to do about
// it: those who read it do not have the source at hand.
package main
