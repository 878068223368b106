package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteText writes the report for people: a table, and the latencies as bars.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	r.writeTitle(&b)
	if r.Rate > 0 {
		r.writeMessages(&b)
	}
	r.writeTrouble(&b)
	if r.Connect != nil {
		writeLatency(&b, "connected", r.Connect)
	}
	if r.Latency != nil {
		writeLatency(&b, "latency", r.Latency)
		writeBars(&b, r.Latency.Bars)
	}
	if r.Churn != nil {
		r.Churn.write(&b)
	}
	if r.Server != nil {
		r.Server.write(&b, r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTitle says what was done.
func (r *Report) writeTitle(b *strings.Builder) {
	fmt.Fprintf(b, "%s, %s over %s", count(r.Subscribers, "subscriber"), count(r.Channels, "channel"), r.Protocol)
	if r.Transport.OverHTTP() {
		fmt.Fprintf(b, " by %s", r.Transport)
	}
	if r.Rate > 0 {
		fmt.Fprintf(b, ", %s messages/s of %s bytes", strconv.FormatFloat(r.Rate, 'f', -1, 64), thousands(int64(r.Size)))
	}
	fmt.Fprintf(b, ", %.1f s\n", r.Seconds)
}

// writeMessages says what came of the messages. That nothing was lost is said, too.
func (r *Report) writeMessages(b *strings.Builder) {
	b.WriteString("\n")
	row(b, "published", thousands(r.Published), "messages")
	if r.Refused > 0 {
		row(b, "refused", thousands(r.Refused), r.Refusal)
	}
	row(b, "delivered", thousands(r.Delivered), fmt.Sprintf("of %s, %s a second", thousands(r.Expected), thousands(int64(r.DeliveriesPerSecond))))
	row(b, "lost", thousands(r.Lost), "")
	row(b, "duplicated", thousands(r.Duplicated), "")
	row(b, "out of order", thousands(r.OutOfOrder), "")
}

// writeTrouble says which connections did not last, if there are any.
func (r *Report) writeTrouble(b *strings.Builder) {
	if r.Closed > 0 {
		row(b, "closed", thousands(int64(r.Closed)), "by the server"+codes(r.CloseCodes))
	}
	if s := r.Stalled; s != nil {
		row(b, "evicted", thousands(int64(s.Evicted)), fmt.Sprintf("of %d that stopped reading%s", s.Subscribers, codes(s.CloseCodes)))
	}
}

// write writes what came of joining and leaving.
func (c *Churn) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s that join and leave\n\n", count(c.Connections, "connection"))
	row(b, "joins", thousands(c.Joins), "")
	row(b, "leaves", thousands(c.Leaves), "")
	if c.Refused > 0 {
		row(b, "refused", thousands(c.Refused), "commands")
	}
	if c.Skipped > 0 {
		row(b, "skipped", thousands(c.Skipped), "commands, the one before had no answer yet")
	}
	row(b, "delivered", thousands(c.Delivered), "")
	row(b, "lost", thousands(c.Lost), "")
	row(b, "duplicated", thousands(c.Duplicated), "")
	row(b, "out of order", thousands(c.OutOfOrder), "")
	if c.Stray > 0 {
		row(b, "stray", thousands(c.Stray), "messages while not in the channel")
	}
	if c.Join != nil {
		writeLatency(b, "join answered", c.Join)
	}
}

// write writes what the server used. Without deliveries there is no cost of one.
func (s *Server) write(b *strings.Builder, r *Report) {
	b.WriteString("\nserver\n\n")
	if r.Delivered > 0 {
		row(b, "CPU", fmt.Sprintf("%.2f µs", s.CPUPerDelivery), "for a delivery")
	}
	row(b, "CPU", fmt.Sprintf("%.1f µs", s.CPUPerConnect), "for opening a connection")
	row(b, "CPU", fmt.Sprintf("%.1f µs", s.CPUPerConnection), "for a connection and second")
	row(b, "CPU", fmt.Sprintf("%.2f s", s.CPUSeconds), "in all")
	row(b, "memory", fmt.Sprintf("%.1f KiB", s.MemoryPerConnection/1024), "for a connection")
	row(b, "memory", mebibytes(s.Memory), fmt.Sprintf("resident, %s before, %s at most", mebibytes(s.MemoryBefore), mebibytes(s.MemoryPeak)))
}

// row writes a line of the table: a name, a number to the right, a remark.
func row(b *strings.Builder, name, value, remark string) {
	line := "  " + pad(name, 14) + padLeft(value, 12) + "  " + remark
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// writeLatency writes a line of heads and one of values below.
func writeLatency(b *strings.Builder, name string, l *Latency) {
	heads, values := "\n  "+pad(name, 14), "  "+pad("", 14)
	for _, c := range []struct {
		head  string
		value float64
	}{{"p50", l.P50}, {"p90", l.P90}, {"p99", l.P99}, {"p99.9", l.P999}, {"max", l.Max}} {
		heads += padLeft(c.head, 12)
		values += padLeft(duration(c.value), 12)
	}
	b.WriteString(heads + "\n" + values + "\n")
}

// barWidth is the longest bar in characters.
const barWidth = 40

// writeBars writes a bar for each step of the limits, the fullest barWidth long.
func writeBars(b *strings.Builder, bars []Bar) {
	var most, total int64
	for _, bar := range bars {
		most, total = max(most, bar.Count), total+bar.Count
	}
	b.WriteString("\n")
	for _, bar := range bars {
		n := int(bar.Count * barWidth / most)
		share := float64(bar.Count) * 100 / float64(total)
		line := "  " + padLeft("to "+duration(bar.UpTo), 14) + "  " + pad(strings.Repeat("█", n), barWidth) + padLeft(fmt.Sprintf("%.1f %%", share), 9)
		b.WriteString(line + "\n")
	}
}

// duration writes microseconds with three digits.
func duration(us float64) string {
	switch {
	case us < 999.5:
		return fmt.Sprintf("%.3g µs", us)
	case us < 999_500:
		return fmt.Sprintf("%.3g ms", us/1e3)
	case us < 10e6:
		return fmt.Sprintf("%.3g s", us/1e6)
	}
	return fmt.Sprintf("%.1f s", us/1e6)
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// count writes a number of things, such as 1 channel and 2,000 subscribers.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return thousands(int64(n)) + " " + thing
}

// thousands writes a number that is not negative with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// codes tells close codes and how often they came.
func codes(all map[int]int) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(all)) {
		name := "code " + strconv.Itoa(code)
		if code == 0 {
			name = "no close frame"
		}
		parts = append(parts, fmt.Sprintf("%s: %d", name, all[code]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// pad fills up with spaces to a width in characters, on the right, and padLeft on
// the left: µ and █ have several bytes.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) + s
}
