package main

// steady is the plainest case: each message has reached everybody before the next
// is due, so there is nothing to batch. What a delivery costs beyond bare is what
// Belfry does besides the one system call.
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

// busy has a million deliveries a second, several times what one write for each
// would allow. Who batches keeps up, and who does not is behind from the first
// second on: the yardsticks have only that one, and what Belfry costs stands beside
// bare at a rate at which bare keeps up.
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

// history is steady and busy in a channel that remembers: each message is given a
// position and kept.
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

// channels has many small channels, so that what a message costs before its
// fan-out is not spread over thousands of deliveries.
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
