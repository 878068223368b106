package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"belfry/cmd/internal/logs"
)

// Exit codes.
const (
	exitOK    = 0
	exitFault = 1 // what was asked for could not be done
	exitUsage = 2 // what was asked for makes no sense
)

// cli is the command line, as kong reads it: a field is a command, and its type has
// the flags. That may have Help, which returns the rest of its help text, and
// Validate, whose error means exit code 2. It has Run, whose error means exit code 1.
type cli struct {
	Serve     serveCommand     `cmd:"" default:"withargs" help:"Serve until SIGTERM or SIGINT. The default."`
	Publish   publishCommand   `cmd:"" help:"Publish a message to a channel of a running Belfry."`
	Subscribe subscribeCommand `cmd:"" help:"Print the messages of channels as they come."`
	Bench     benchCommand     `cmd:"" help:"Load a server with subscribers and messages, and measure it."`
	Config    configCommand    `cmd:"" help:"Check the configuration and print what is in force."`
	Key       keyCommand       `cmd:"" help:"Make a key for the HTTP API, and print it with its hash."`
	Token     tokenCommand     `cmd:"" help:"Make a token of a user for trying things, or check one."`
	Health    healthCommand    `cmd:"" help:"Ask a running Belfry whether it is alive, or ready: exit code 0 or 1."`
	Version   versionCommand   `cmd:"" help:"Print the version."`

	ShowVersion versionFlag `name:"version" help:"Print the version."`
}

func main() {
	os.Exit(run(untilSignal(), os.Args[1:], &terminal{os.Stdin, os.Stdout, os.Stderr, os.Environ()}))
}

// run runs one command line until it is done or the context ends, and returns
// the exit code.
func run(ctx context.Context, args []string, t *terminal) int {
	if i := slices.IndexFunc(args, func(a string) bool { return !utf8.ValidString(a) }); i >= 0 {
		fmt.Fprintf(t.err, "belfry: argument %d is not valid UTF-8\n", i+1) // kong would change it
		return exitUsage
	}
	code, exited := exitOK, false
	command, err := newParser(ctx, t, func(n int) { code, exited = n, true }).Parse(args)
	switch {
	case exited: // help was asked for
		return code
	case err != nil:
		fmt.Fprintf(t.err, "belfry: %v\nTry belfry --help.\n", err)
		return exitUsage
	}
	return exitCode(t, command.Run())
}

// newParser makes the parser of command lines, which calls exit after it has printed
// help, and goes on if that returns: its result is then to be ignored. A command's
// Run is given the context and the terminal if it has parameters of these types.
func newParser(ctx context.Context, t *terminal, exit func(int)) *kong.Kong {
	return kong.Must(&cli{},
		kong.Name("belfry"),
		kong.Description("A real-time pub/sub hub: publish over HTTP, and every client hears it, over WebSocket, an event stream or long-polling."),
		kong.Writers(t.out, t.err),
		kong.Exit(exit),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
	)
}

// exitCode prints an error, which may have several lines. Each begins with the
// program's name, so that all of them are found in a log.
func exitCode(t *terminal, err error) int {
	if err == nil {
		return exitOK
	}
	for line := range strings.Lines(err.Error()) {
		logs.Say(t.err, "belfry: "+strings.TrimSuffix(line, "\n")+"\n")
	}
	return exitFault
}
