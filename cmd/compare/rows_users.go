package main

import "fmt"

// crowd has clients connect: anonymous, and as users, each with a token of its own. What
// a token costs is of ten thousand that come a few at a time, as bench has it by default.
//
// Then they come all at the same moment, as after a restart. They take a while for that
// without any tokens, too, because they share the machine: what matters is that nobody
// is refused, and that nobody has waited for so long that it gives up.
func crowd(settings) row {
	few := with([]string{"--subscribers", "10000", "--messages", "0", "--duration", "100ms"}, overCentrifuge...)
	all := with(few, "--at-once", "10000")
	return row{
		work: "10,000 clients connect and subscribe, 32 at a time and all at once, anonymous and as users with tokens",
		variants: []variant{
			{name: "anonymous", server: "belfry", flags: few},
			{name: "HS256", do: asUsers("HS256"), flags: few},
			{name: "ES256", do: asUsers("ES256"), flags: few},
			{name: "all, anonymous", server: "belfry", flags: all},
			{name: "all, ES256", do: asUsers("ES256"), flags: all},
		},
		measures: []measure{
			ratio("CPU of a connect, HS256 to anonymous", cpuPerConnect, "HS256", "anonymous").atMost(1.25),
			difference("CPU of a token, HS256", "µs", cpuPerConnect, "HS256", "anonymous"),
			difference("CPU of a token, ES256", "µs", cpuPerConnect, "ES256", "anonymous"),
			worst("all at once: slowest until subscribed, ES256", "s", connectSlowest, "all, ES256").atMost(gaveUp),
			worst("all at once: slowest until subscribed, anonymous", "s", connectSlowest, "all, anonymous"),
			ratio("all at once: p99 until subscribed, ES256 to anonymous", connectP99, "all, ES256", "all, anonymous"),
			worst("connections that ended", "", closed, "HS256", "ES256", "all, ES256").atMost(0),
		},
	}
}

// gaveUp is after how many seconds clients of the Centrifuge protocol give up a connect
// that is not answered, by default.
const gaveUp = 5

// users has those who only listen as users, each with a token of its own, beside
// anonymous ones of a server that knows no users: with time to batch and without, and
// idle. The memory is that of the process, and differs by a tenth of a KiB or two for
// each connection from one time to the next; several runs bring it together.
func users(s settings) row {
	slow, fast := messages(2000, 1, 20, s.seconds, overCentrifuge...), messages(2000, 1, 500, s.seconds, overCentrifuge...)
	idle := with([]string{"--subscribers", "10000", "--messages", "0", "--duration", s.idle.String()}, overCentrifuge...)
	return row{
		work: fmt.Sprintf("2,000 subscribers, 20 and 500 messages/s, and 10,000 idle ones for %.0f s, anonymous and as users with tokens", s.idle.Seconds()),
		variants: []variant{
			{name: "anonymous, 20/s", server: "belfry", flags: slow},
			{name: "users, 20/s", do: asUsers("HS256"), flags: slow},
			{name: "anonymous, 500/s", server: "belfry", flags: fast},
			{name: "users, 500/s", do: asUsers("HS256"), flags: fast},
			{name: "idle, anonymous", server: "belfry", flags: idle},
			{name: "idle, users", do: asUsers("HS256"), flags: idle},
		},
		measures: []measure{
			ratio("CPU per delivery, 20/s, users to anonymous", cpuPerDelivery, "users, 20/s", "anonymous, 20/s").atMost(1.03),
			ratio("CPU per delivery, 500/s, users to anonymous", cpuPerDelivery, "users, 500/s", "anonymous, 500/s").atMost(1.03),
			difference("memory of each idle connection, users beyond anonymous", "KiB", memoryEach, "idle, users", "idle, anonymous").atMost(0.5),
			worst("faults", "", faults, "users, 20/s", "users, 500/s").atMost(0),
			worst("idle connections that ended", "", closed, "idle, users").atMost(0),
		},
	}
}

// revoking takes sessions back at another instance than theirs, one after another: by
// the IDs of their tokens, for which all sessions are looked through, and by their users.
// The other 9,500 have to stay.
func revoking(settings) row {
	return row{
		work:  "10,000 sessions of users at one instance, of which 500 are taken back at another, one after another, through Redis",
		needs: "redis-server",
		variants: []variant{
			{name: "tokens", do: takeBack("revoke_token", "uid")},
			{name: "users", do: takeBack("block_user", "user")},
		},
		measures: []measure{
			worst("revoke_token: from the call until the session has ended, p99, slowest run", "ms", p99Milliseconds, "tokens").atMost(1000),
			worst("block_user: the same", "ms", p99Milliseconds, "users").atMost(1000),
			median("CPU of the sessions' instance for one, revoke_token", "µs", cpuPerDelivery, "tokens"),
			median("CPU of the sessions' instance for one, block_user", "µs", cpuPerDelivery, "users"),
			worst("sessions that did not end, and others that did", "", faults, "tokens", "users").atMost(0),
		},
	}
}
