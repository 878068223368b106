package load

import "belfry/cmd/internal/process"

// meter measures the server's process at four moments of a run. Without a process
// to measure its methods do nothing.
type meter struct {
	pid int // 0: none

	before process.Usage // without connections
	opened process.Usage // when all connections are open
	begin  process.Usage // before the first counted message
	end    process.Usage // after the last delivery, while the connections are open
}

// take measures now, into one of the four.
func (m *meter) take(at *process.Usage) (err error) {
	if m.pid != 0 {
		*at, err = process.Read(m.pid)
	}
	return err
}
