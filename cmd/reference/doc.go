// Command reference serves channels over WebSocket in the plainest ways, as a
// yardstick for Belfry: "bare" costs one system call for each delivery and
// nothing else, "melody" is that library as it comes. It is for measuring on one
// machine only: it checks no key, no origin and no limit but that of a body.
//
// main.go has what both have in common: subscribers come over /ws/{channel}, and
// messages by POST /api/publish, as with Belfry. A kind of server is a type in a file
// of its own that joins clients and publishes to them. Bare works where sockets are
// file descriptors, which is on Unix systems.
package main
