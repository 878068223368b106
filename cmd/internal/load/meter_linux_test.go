package load

import "testing"

func TestMeterOfNobody(t *testing.T) {
	o := newFakeServer(t).options(Raw)
	o.PID = 1 << 30
	if _, err := Run(t.Context(), o); err == nil {
		t.Error("a run that measures a process that is not there")
	}
}
