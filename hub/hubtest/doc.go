// Package hubtest is what tests of the hub and of the packages above it share:
// programs that a machine may lack ([Need]), a real Redis ([Redis]) and a real
// browser ([Browser]), connections to break ([Proxy]), hubs that end with their
// test ([Run]), a subscriber that records ([Recorder]), and a search for
// goroutines left behind ([Main]).
//
// Redis servers are processes of their own on free loopback ports. They are
// killed when their test ends, and nothing is that the test did not start.
package hubtest
