package load

// Report is what came of a run. Its JSON is what belfry bench --json prints, which
// others read: a key keeps its name and its unit.
type Report struct {
	Protocol    Protocol  `json:"protocol"`
	Transport   Transport `json:"transport"`
	Subscribers int       `json:"subscribers"`
	Channels    int       `json:"channels"`
	Publishers  int       `json:"publishers"`
	Size        int       `json:"size_bytes"`
	Rate        float64   `json:"rate"` // messages a second that were asked for; 0: none

	Published int64  `json:"published"`         // messages that were accepted
	Refused   int64  `json:"refused"`           // messages that were not
	Refusal   string `json:"refusal,omitempty"` // why

	Expected   int64 `json:"expected"` // deliveries: each message once for each subscriber
	Delivered  int64 `json:"delivered"`
	Lost       int64 `json:"lost"`
	Duplicated int64 `json:"duplicated"`   // came again; not among the delivered
	OutOfOrder int64 `json:"out_of_order"` // came after a later one; among the delivered
	// Closed is how many connections the server has ended, and CloseCodes how
	// many by each code; 0 stands for no close frame.
	Closed     int         `json:"closed"`
	CloseCodes map[int]int `json:"close_codes,omitempty"`

	Connect             *Latency `json:"connect_latency,omitempty"` // from dialing until a subscriber has its channel
	Seconds             float64  `json:"seconds"`                   // to the last delivery
	DeliveriesPerSecond float64  `json:"deliveries_per_second"`
	Latency             *Latency `json:"latency,omitempty"`
	Stalled             *Stalled `json:"stalled,omitempty"`
	Churn               *Churn   `json:"churn,omitempty"`
	Server              *Server  `json:"server,omitempty"`
}

// Churn is how joining and leaving went. What is counted is for the time between
// a join and the next leave.
type Churn struct {
	Connections int   `json:"connections"`
	Joins       int64 `json:"joins"`
	Leaves      int64 `json:"leaves"`
	Refused     int64 `json:"refused"`
	Skipped     int64 `json:"skipped"` // was due while the command before had no answer
	Delivered   int64 `json:"delivered"`
	Lost        int64 `json:"lost"`
	Duplicated  int64 `json:"duplicated"`
	OutOfOrder  int64 `json:"out_of_order"`
	Stray       int64 `json:"stray"` // messages before a join's answer or after a leave's

	Join *Latency `json:"join_latency,omitempty"` // from a join to its answer
}

// Server is what the server's process used while messages were counted. Memory is
// what is resident: that of the kernel for its sockets is not in it.
type Server struct {
	CPUSeconds          float64 `json:"cpu_seconds"` // user and system
	CPUPerDelivery      float64 `json:"cpu_per_delivery_us,omitempty"`
	CPUPerConnect       float64 `json:"cpu_per_connect_us"` // of opening a connection, before that
	CPUPerConnection    float64 `json:"cpu_per_connection_us_per_s"`
	MemoryBefore        int64   `json:"memory_before_bytes"`         // without connections
	Memory              int64   `json:"memory_bytes"`                // at the end, with all of them
	MemoryPeak          int64   `json:"memory_peak_bytes"`           // since the process began
	MemoryPerConnection float64 `json:"memory_per_connection_bytes"` // beyond that without
}

// OK reports whether something was done and every message came once, in order, and
// no connection was ended. What stopped reading on purpose does not count.
func (r *Report) OK() bool {
	faults := r.Lost + r.Duplicated + r.OutOfOrder + r.Refused + int64(r.Closed)
	if c := r.Churn; c != nil {
		faults += c.Lost + c.Duplicated + c.OutOfOrder + c.Stray + c.Refused
	}
	return faults == 0 && (r.Delivered > 0 || r.Rate == 0)
}

// Stalled is what became of the subscribers that stopped reading.
type Stalled struct {
	Subscribers int `json:"subscribers"`
	Evicted     int `json:"evicted"`
	// CloseCodes counts those whose close frame could still be read.
	CloseCodes map[int]int `json:"close_codes,omitempty"`
}
