// Package web is everything that speaks to clients. What is here puts it together:
// the options, what runs and stops (server.go), and the table of routes (routes.go).
// The work is done in rooms below it, in the order in which a message meets them:
//
//	room        knows                                       may import
//	api         the backend's calls, and asking all nodes   hub, session, centrifuge, access, fault
//	ws          WebSocket connections, of every draft       session, wire, access, fault
//	carry       sessions over HTTP, which outlive requests  hub, session, wire, access, fault
//	session     a client: a transport joined to a protocol  hub, access, fault
//	raw         plain text, and the echo                    hub, session, access, fault
//	centrifuge  the Centrifuge protocol, and its streams    hub, session, carry, access, fault
//	events      /events: event streams and long-polls       hub, session, carry, centrifuge, access, fault
//	access      who may do what, and pages of which origin  hub, fault, token
//	token       tokens of a backend: who its users are      -
//	wire        frames, and connections that never block    -
//	fault       errors as clients may hear them             hub
//	page        the browser side                            fault
//
// In: a transport (ws, carry) reads what a client says and hands it to the one door,
// [belfry/web/session.Session.Receive], which hands it to the protocol (raw,
// centrifuge). That publishes by Session.Publish, which asks the guard (access), and
// then the hub. What the backend publishes comes by api, which asks the same guard.
// Nothing here writes a published message to anybody but through the hub; the echo
// alone answers its own session.
//
// Out: the hub has the protocol's encoder make frames, once for all subscribers whose
// encoders are equal, and calls Session.Deliver. The transport takes the frames or
// says why not, and does not block; a client that is too far behind is evicted.
//
// A transport knows no protocol and a protocol no transport: what the one needs of
// the other comes along as a value, a framing or a dialect. A new protocol is a
// package beside raw, and a line in the routes. A test holds every room to its line.
package web
