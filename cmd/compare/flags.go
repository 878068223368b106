package main

import (
	"fmt"
	"slices"
	"strconv"
)

// messages is the flags of belfry bench for so many subscribers, spread over the
// channels, and so many messages a second to all channels together.
func messages(subscribers, channels, rate, seconds int, more ...string) []string {
	flags := []string{
		"--subscribers", strconv.Itoa(subscribers), "--channels", strconv.Itoa(channels),
		"--rate", strconv.Itoa(rate), "--duration", fmt.Sprintf("%ds", seconds),
	}
	return with(flags, more...)
}

// overCentrifuge has subscribers speak the Centrifuge protocol. Without it they
// get the text alone, as from the yardsticks.
var overCentrifuge = []string{"--protocol", "centrifuge"}

// remembering makes the channel one that the rules give a history.
var remembering = []string{"--channel", "chat-bench"}

// with returns flags and some more, and leaves the first as they are: rows share
// them between variants.
func with(flags []string, more ...string) []string {
	return append(slices.Clip(flags), more...)
}
