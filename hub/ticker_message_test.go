package hub

import (
	"testing"
	"time"
)

// Timers are late; the tick is that of the second all the same.
func TestTickMessage(t *testing.T) {
	now := time.Date(2026, time.January, 2, 3, 4, 5, 987_654_321, time.FixedZone("east", 3600))
	m := tickMessage(now)
	if string(m.Data) != `"Fri, 02 Jan 2026 02:04:05 GMT"` || m.Tick != now.Unix() || m.Time != now.Unix()*1000 {
		t.Errorf("the tick of %s is %s, second %d, time %d", now, m.Data, m.Tick, m.Time)
	}
	if d := untilNextSecond(now); d != 12_345_679*time.Nanosecond {
		t.Errorf("the next second begins in %s", d)
	}
}
