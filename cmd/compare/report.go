package main

import (
	"fmt"

	"belfry/cmd/internal/load"
)

// report is what one variant has made in one run: the report of belfry bench, or
// what its subscribers have regained, and what Redis had to do with it.
type report struct {
	load.Report
	Redis    *redisReport `json:"redis,omitempty"`
	Regained *regained    `json:"regained,omitempty"`
	Calm     *calmReport  `json:"calm,omitempty"`
}

// redisReport is what was seen of Redis meanwhile. A row measures one of its numbers.
type redisReport struct {
	RoundTrip float64 `json:"round_trip_us,omitempty"` // median, of a PING over a plain connection
	Reads     int     `json:"reads"`                   // of streams: calls of XRANGE
}

// regained is how subscribers got what they had missed. In such a turn belfry bench
// has no part, and its report is empty.
type regained struct {
	Seconds    float64 `json:"seconds"` // until the last one had everything
	Messages   int64   `json:"messages"`
	Faults     int64   `json:"faults"`
	CPUSeconds float64 `json:"cpu_seconds"`  // of their server, in that time
	Memory     int64   `json:"memory_bytes"` // that is resident in it at the end
}

// calmReport is how the server's memory went back when its clients had gone, in bytes.
type calmReport struct {
	Before  int64   `json:"before"`
	After   int64   `json:"after"`
	Seconds float64 `json:"seconds"`
}

// brief is a report in a line, for the progress: the cost, and what was lost.
func (r *report) brief() string {
	switch {
	case r.Regained != nil:
		return fmt.Sprintf("%6.2f s  %9d messages regained  %6d reads  %d faults", r.Regained.Seconds, r.Regained.Messages, r.Redis.Reads, r.Regained.Faults)
	case r.Latency == nil:
		return fmt.Sprintf("%7.2f µs/connection/s %6.1f KiB/connection", r.Server.CPUPerConnection, r.Server.MemoryPerConnection/1024)
	}
	text := fmt.Sprintf("%6.2f µs/delivery  p99 %8.1f ms  %9.0f deliveries/s", r.Server.CPUPerDelivery, r.Latency.P99/1e3, r.DeliveriesPerSecond)
	if n := r.Lost + r.Duplicated + r.OutOfOrder; n > 0 {
		text += fmt.Sprintf("  %d lost, %d duplicated, %d out of order", r.Lost, r.Duplicated, r.OutOfOrder)
	}
	return text
}
