package main

import "fmt"

// idle has connections that nothing comes over but pings. What opening them has
// left behind is given back when Belfry has been quiet for two of its looks, ten
// seconds apart: below half a minute the memory is that of the rush.
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

// stallSeconds is how long it takes until a client that does not read is behind
// by the server's bound, at 160 KiB a second.
const stallSeconds = 12

// stall has one client that stops reading. The others must not notice, and the
// server must let it go once it is behind by its bound. Messages are large, so that
// it does not take minutes.
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

// churn has joins and leaves while a channel is busy. A join must be answered soon
// although a fan-out is going on, and no message may be missed or come twice around
// it. Beside the joins there are a million deliveries a second, and in the second
// variant a hundred thousand.
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

// flood has the larger channel's deliveries beside many clients that begin a
// handshake or a policy request and do not go on.
func flood(s settings) row {
	flags := messages(2000, 1, 20, max(floodSeconds, s.seconds))
	return row{
		work: "10,000 connections stay half open, in policy requests and handshakes; 2,000 subscribers, 20 messages/s",
		variants: []variant{
			{name: "before", server: "belfry", flags: flags},
			{name: "after", server: "belfry", flags: flags, beside: startFlood},
		},
		measures: []measure{
			ratio("p99 latency, after to before", p99, "after", "before").atMost(1.2),
			ratio("CPU per delivery, after to before", cpuPerDelivery, "after", "before"),
			worst("faults", "", faults, "after").atMost(0),
		},
	}
}
