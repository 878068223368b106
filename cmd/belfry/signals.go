package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that the first signal to stop ends. Signals are
// the system's again before it ends, so that a second one, however soon it
// comes, ends the process at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan os.Signal, 1)
	signal.Notify(first, os.Interrupt, syscall.SIGTERM)
	go func() { // as long as the process
		<-first
		signal.Stop(first)
		cancel()
	}()
	return ctx
}

// ignoreSignals keeps a server running that is sent what supervisors and tools for logs
// send to make others reload, or whose log is read by nobody any more (SIGPIPE). The
// function that it returns leaves signals to the system again.
//
// SIGQUIT is left to the runtime, which shows what every goroutine does and ends the
// process: that is what it is sent for.
func ignoreSignals(logger *slog.Logger) (stop func()) {
	signal.Ignore(syscall.SIGPIPE)
	got, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(got, reloadSignals...)
	go func() { // until stop, which waits for it
		defer close(done)
		for s := range got {
			logger.Warn("signal ignored: the configuration is read when Belfry starts, and at no other time", "signal", s)
		}
	}()
	return func() {
		signal.Stop(got)
		close(got)
		<-done
	}
}
