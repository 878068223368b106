package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// row is one kind of work, done by several servers in turn.
type row struct {
	name     string
	work     string
	variants []variant
	measures []measure
	once     bool   // what it measures is no ratio: it is done once
	needs    string // a program that is not built here
}

// variant is one server doing the work.
type variant struct {
	name   string
	server string   // a key of servers
	flags  []string // of belfry bench
	once   bool     // only in the first run: it takes long
	// do does the work in place of belfry bench; nil: belfry bench does it.
	do func(context.Context, *work, variant) (*report, error)
	// beside, unless it is nil, starts what goes on beside the work.
	beside func(context.Context, *server) (stop func(), err error)
}

// rowMakers has the rows in their order.
var rowMakers = []struct {
	name string
	make func(settings) row
}{
	{"steady", steady},
	{"busy", busy},
	{"history", history},
	{"channels", channels},
	{"idle", idle},
	{"growth", growth},
	{"stall", stall},
	{"churn", churn},
	{"redis", redis},
	{"recover", comeback},
	{"repair", repair},
	{"flood", flood},
	{"transports", transports},
}

func rowNames() (names []string) {
	for _, r := range rowMakers {
		names = append(names, r.name)
	}
	return names
}

// chooseRows makes the rows that were asked for, in the order of rowMakers.
func chooseRows(s settings) (rows []row, err error) {
	wanted := rowNames()
	if s.only != "" {
		wanted = strings.Split(s.only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(rowNames(), name) {
			return nil, fmt.Errorf("-only: %q; want some of %s", name, strings.Join(rowNames(), ", "))
		}
	}
	for _, r := range rowMakers {
		if slices.Contains(wanted, r.name) {
			row := r.make(s)
			row.name = r.name
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// messages is the flags for subscribers, channels and messages a second.
func messages(subscribers, channels, rate, seconds int, more ...string) []string {
	flags := []string{
		"--subscribers", strconv.Itoa(subscribers), "--channels", strconv.Itoa(channels),
		"--rate", strconv.Itoa(rate), "--duration", fmt.Sprintf("%ds", seconds),
	}
	return with(flags, more...)
}

var overCentrifuge = []string{"--protocol", "centrifuge"}

func steady(s settings) row {
	flags := messages(2000, 1, 20, s.seconds)
	return row{
		work: "2,000 subscribers, 1 channel, 20 messages/s",
		variants: []variant{
			{name: "bare", server: "bare", flags: flags},
			{name: "melody", server: "melody", flags: flags},
			{name: "raw", server: "belfry", flags: flags},
			{name: "centrifuge", server: "belfry", flags: with(flags, overCentrifuge...)},
		},
		measures: []measure{
			ratio("CPU per delivery, raw to bare", cpuPerDelivery, "raw", "bare").atMost(1.2),
			ratio("p99 latency, raw to bare", p99, "raw", "bare").atMost(1.2),
			ratio("CPU per delivery, centrifuge to bare", cpuPerDelivery, "centrifuge", "bare").atMost(1.2),
			ratio("p99 latency, centrifuge to bare", p99, "centrifuge", "bare").atMost(1.2),
			ratio("CPU per delivery, melody to bare", cpuPerDelivery, "melody", "bare"),
			ratio("p99 latency, melody to bare", p99, "melody", "bare"),
			worst("faults of Belfry", "", faults, "raw", "centrifuge").atMost(0),
		},
	}
}

func busy(s settings) row {
	flags := messages(2000, 1, 500, s.seconds)
	short := messages(2000, 1, 500, 1) // they are far behind in a second
	return row{
		work: "2,000 subscribers, 1 channel, 500 messages/s",
		variants: []variant{
			{name: "bare at 20/s", server: "bare", flags: messages(2000, 1, 20, s.seconds)},
			{name: "raw", server: "belfry", flags: flags},
			{name: "centrifuge", server: "belfry", flags: with(flags, overCentrifuge...)},
			{name: "bare", server: "bare", flags: short, once: true},
			{name: "melody", server: "melody", flags: short, once: true},
		},
		measures: []measure{
			worst("faults, raw", "", faults, "raw").atMost(0),
			worst("faults, centrifuge", "", faults, "centrifuge").atMost(0),
			ratio("CPU per delivery, raw to bare at 20/s", cpuPerDelivery, "raw", "bare at 20/s").atMost(0.2),
			ratio("CPU per delivery, centrifuge to raw", cpuPerDelivery, "centrifuge", "raw").atMost(1.1),
			ratio("CPU per delivery, bare to bare at 20/s", cpuPerDelivery, "bare", "bare at 20/s"),
			ratio("CPU per delivery, melody to bare at 20/s", cpuPerDelivery, "melody", "bare at 20/s"),
		},
	}
}

// remembering makes the channel one that the default rules give a history.
var remembering = []string{"--channel", "chat-bench"}

// history is steady and busy with positions given and messages kept.
func history(s settings) row {
	slow, fast := messages(2000, 1, 20, s.seconds), messages(2000, 1, 500, s.seconds, remembering...)
	return row{
		work: "2,000 subscribers, 1 channel with history, 20 and 500 messages/s",
		variants: []variant{
			{name: "bare, 20/s", server: "bare", flags: slow},
			{name: "raw, 20/s", server: "belfry", flags: with(slow, remembering...)},
			{name: "centrifuge, 20/s", server: "belfry", flags: with(with(slow, remembering...), overCentrifuge...)},
			{name: "raw, 500/s", server: "belfry", flags: fast},
			{name: "centrifuge, 500/s", server: "belfry", flags: with(fast, overCentrifuge...)},
		},
		measures: []measure{
			ratio("CPU per delivery, 20/s, raw to bare", cpuPerDelivery, "raw, 20/s", "bare, 20/s").atMost(1.2),
			ratio("p99 latency, 20/s, raw to bare", p99, "raw, 20/s", "bare, 20/s").atMost(1.2),
			ratio("CPU per delivery, 20/s, centrifuge to bare", cpuPerDelivery, "centrifuge, 20/s", "bare, 20/s").atMost(1.2),
			ratio("p99 latency, 20/s, centrifuge to bare", p99, "centrifuge, 20/s", "bare, 20/s").atMost(1.2),
			ratio("CPU per delivery, raw at 500/s to bare at 20/s", cpuPerDelivery, "raw, 500/s", "bare, 20/s").atMost(0.2),
			ratio("CPU per delivery, centrifuge at 500/s to bare at 20/s", cpuPerDelivery, "centrifuge, 500/s", "bare, 20/s").atMost(0.2),
			worst("faults of Belfry", "", faults, "raw, 20/s", "centrifuge, 20/s", "raw, 500/s", "centrifuge, 500/s").atMost(0),
		},
	}
}

func channels(s settings) row {
	flags := messages(2000, 200, 1500, s.seconds)
	return row{
		work: "200 channels × 10 subscribers, 1,500 messages/s",
		variants: []variant{
			{name: "bare", server: "bare", flags: flags},
			{name: "raw", server: "belfry", flags: flags},
		},
		measures: []measure{
			ratio("CPU per delivery, raw to bare", cpuPerDelivery, "raw", "bare").atMost(1.35),
			ratio("p99 latency, raw to bare", p99, "raw", "bare"),
			worst("faults of Belfry", "", faults, "raw").atMost(0),
		},
	}
}

func idle(s settings) row {
	flags := []string{"--subscribers", "10000", "--messages", "0", "--duration", s.idle.String()}
	return row{
		work: fmt.Sprintf("10,000 idle connections for %.0f s", s.idle.Seconds()),
		once: true,
		variants: []variant{
			{name: "raw", server: "belfry", flags: flags},
			{name: "centrifuge", server: "belfry", flags: with(flags, overCentrifuge...)},
		},
		measures: []measure{
			worst("memory of each, raw", "KiB", memoryEach, "raw").atMost(12),
			worst("CPU of each in a second, raw", "µs", cpuEach, "raw").atMost(15),
			worst("memory of each, centrifuge", "KiB", memoryEach, "centrifuge").atMost(12),
			worst("CPU of each in a second, centrifuge", "µs", cpuEach, "centrifuge").atMost(15),
			worst("connections that ended", "", closed, "raw", "centrifuge").atMost(0),
		},
	}
}

// growth has the larger channel twice: with as many messages a second as the
// smaller one, and with as many deliveries. At the second the kernel's part of a
// write grows, because 19,000 sockets do not fit into the processor's caches;
// bare shows by how much.
func growth(s settings) row {
	return row{
		work: "19,000 subscribers, 1 channel, beside 2,000 and 20 messages/s",
		variants: []variant{
			{name: "2,000", server: "belfry", flags: messages(2000, 1, 20, s.seconds)},
			{name: "19,000, 20/s", server: "belfry", flags: messages(19000, 1, 20, s.seconds)},
			{name: "19,000, 2/s", server: "belfry", flags: messages(19000, 1, 2, s.seconds)},
			{name: "bare, 2,000", server: "bare", flags: messages(2000, 1, 20, s.seconds)},
			{name: "bare, 19,000, 2/s", server: "bare", flags: messages(19000, 1, 2, s.seconds)},
		},
		measures: []measure{
			ratio("CPU per delivery, 19,000 to 2,000, both 20 messages/s", cpuPerDelivery, "19,000, 20/s", "2,000").atMost(1.15),
			ratio("CPU per delivery, 19,000 at 2 messages/s to 2,000 at 20", cpuPerDelivery, "19,000, 2/s", "2,000").atMost(1.15),
			ratio("the same of bare", cpuPerDelivery, "bare, 19,000, 2/s", "bare, 2,000"),
			ratio("CPU per delivery at 19,000 and 2 messages/s, raw to bare", cpuPerDelivery, "19,000, 2/s", "bare, 19,000, 2/s"),
			worst("faults, 20 messages/s", "", faults, "19,000, 20/s").atMost(0),
			worst("faults, 2 messages/s", "", faults, "19,000, 2/s").atMost(0),
		},
	}
}

// stallSeconds is how long it takes until a client that does not read is behind
// by the server's bound, at 160 KiB a second.
const stallSeconds = 12

func stall(s settings) row {
	flags := messages(2000, 1, 20, max(stallSeconds, s.seconds), "--size", "8192")
	return row{
		work: "1 of 2,000 subscribers stops reading, 20 messages/s of 8 KiB",
		variants: []variant{
			{name: "before", server: "belfry", flags: flags},
			{name: "after", server: "belfry", flags: with(flags, "--stall", "1")},
		},
		measures: []measure{
			ratio("p99 latency of the others, after to before", p99, "after", "before").atMost(1.1),
			worst("not evicted", "", notEvicted, "after").atMost(0),
			difference("memory at most, after beyond before", "MiB", memoryPeak, "after", "before").atMost(4),
			worst("faults of the others", "", faults, "after").atMost(0),
		},
	}
}

func churn(s settings) row {
	more := with(overCentrifuge, "--churn", "5000")
	return row{
		work: "5,000 joins and leaves a second during 500 messages/s",
		variants: []variant{
			{name: "2,000 subscribers", server: "belfry", flags: messages(2000, 1, 500, s.seconds, more...)},
			{name: "200 subscribers", server: "belfry", flags: messages(200, 1, 500, s.seconds, more...)},
		},
		measures: []measure{
			worst("faults, 2,000 subscribers", "", faults, "2,000 subscribers").atMost(0),
			median("join answered, p99, 2,000 subscribers", "ms", joinP99, "2,000 subscribers").atMost(20),
			median("joins and leaves a second, 2,000 subscribers", "", joinsAndLeaves, "2,000 subscribers"),
			worst("faults, 200 subscribers", "", faults, "200 subscribers").atMost(0),
			median("join answered, p99, 200 subscribers", "ms", joinP99, "200 subscribers").atMost(20),
		},
	}
}

// with returns flags and some more, and leaves the first as they are.
func with(flags []string, more ...string) []string {
	return append(slices.Clip(flags), more...)
}
