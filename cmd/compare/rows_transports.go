package main

// transports has a WebSocket beside Belfry's transports over HTTP. A long-poll is
// a request for each delivery, and two cores do not do 40,000 of them a second
// beside those who ask: it gets fewer messages, and a WebSocket as few. One that
// falls behind gets several messages with an answer and looks cheap: its p99 says
// whether it did.
func transports(s settings) row {
	over := func(transport string, rate int) []string {
		return messages(2000, 1, rate, s.seconds, "--transport", transport)
	}
	idle := func(transport string) []string {
		return []string{"--subscribers", "10000", "--messages", "0", "--duration", s.idle.String(), "--transport", transport}
	}
	return row{
		work: "2,000 sessions over WebSocket and over HTTP, 20 messages/s, long-poll 5 messages/s; and 10,000 idle ones",
		variants: []variant{
			{name: "websocket", server: "belfry", flags: over("websocket", 20)},
			{name: "events", server: "belfry", flags: over("events", 20)},
			{name: "stream", server: "belfry", flags: over("stream", 20)},
			{name: "websocket, 5/s", server: "belfry", flags: over("websocket", 5)},
			{name: "poll, 5/s", server: "belfry", flags: over("poll", 5)},
			{name: "idle events", server: "belfry", flags: idle("events"), once: true},
			{name: "idle stream", server: "belfry", flags: idle("stream"), once: true},
		},
		measures: []measure{
			ratio("CPU per delivery, events to websocket", cpuPerDelivery, "events", "websocket").atMost(1.5),
			ratio("CPU per delivery, stream to websocket", cpuPerDelivery, "stream", "websocket").atMost(1.5),
			ratio("CPU per delivery, poll to websocket, both 5 messages/s", cpuPerDelivery, "poll, 5/s", "websocket, 5/s").atMost(6),
			ratio("CPU per delivery, poll at 5 messages/s to websocket at 20", cpuPerDelivery, "poll, 5/s", "websocket"),
			median("p99 latency, poll", "ms", p99Milliseconds, "poll, 5/s"),
			worst("memory of each idle session, events", "KiB", memoryEach, "idle events").atMost(20),
			worst("memory of each idle session, stream", "KiB", memoryEach, "idle stream").atMost(20),
			worst("faults", "", faults, "websocket", "events", "stream", "websocket, 5/s", "poll, 5/s").atMost(0),
			worst("idle sessions that ended", "", closed, "idle events", "idle stream").atMost(0),
		},
	}
}
