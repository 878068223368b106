package main

// strangersSeconds is how long strangers are there: longer than slow clients of any kind
// are kept.
const strangersSeconds = 20

// besieged has those who only listen beside clients that want the server to do and keep
// as much as they can make it: histories, presences and what was missed, which they do
// not read, bodies that do not come, sessions over HTTP, subscriptions to ever new
// names, and floods of messages, joins and commands. It is about the others, and about
// memory.
//
// Strangers, load and server share the machine. What strangers take of it by themselves
// shows where they say the same to a sink, and the bar is on what is beyond that.
func besieged(s settings) row {
	flags := messages(2000, 1, 20, max(strangersSeconds, s.seconds), overCentrifuge...)
	return row{
		work: "2,000 subscribers, 20 messages/s, in 256 MiB, alone, beside 323 strangers of eleven kinds who speak to a sink, and among them",
		variants: []variant{
			{name: "alone", do: amongStrangers(nowhere), flags: flags},
			{name: "beside a sink", do: amongStrangers(toSink), flags: flags},
			{name: "among strangers", do: amongStrangers(toServer), flags: flags},
		},
		measures: []measure{
			ratio("p99 latency, among strangers to beside a sink", p99, "among strangers", "beside a sink").atMost(1.2),
			ratio("p99 latency, among strangers to alone", p99, "among strangers", "alone"),
			ratio("CPU per delivery, with all that strangers make of it, to alone", cpuPerDelivery, "among strangers", "alone"),
			worst("memory at most, among strangers", "MiB", memoryPeak, "among strangers").atMost(256),
			worst("memory at most, alone", "MiB", memoryPeak, "alone"),
			worst("memory when they have gone, beyond before, within a minute", "MiB", memoryKept, "among strangers").atMost(16),
			worst("until then", "s", calmIn, "among strangers"),
			worst("faults of the 2,000", "", faults, "alone", "beside a sink", "among strangers").atMost(0),
		},
	}
}
