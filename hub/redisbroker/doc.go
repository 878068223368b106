// Package redisbroker is the broker of several nodes: messages travel by the
// Pub/Sub of one Redis, which also keeps histories, positions and who is present.
package redisbroker
