package load

import "errors"

// meter measures the server's process.
type meter struct {
	pid int

	rssBefore, rssEnd, rssPeak int64 // bytes
	cpuBegin, cpuEnd           int64 // nanoseconds of CPU time
}

// before measures the server without connections.
func (m *meter) before() (err error) {
	if m.pid == 0 {
		return nil
	}
	m.rssBefore, _, err = residentMemory(m.pid)
	return err
}

// begin stands before the first counted message.
func (m *meter) begin() (err error) {
	if m.pid == 0 {
		return nil
	}
	m.cpuBegin, err = cpuTime(m.pid)
	return err
}

// end stands after the last delivery, while the connections are open.
func (m *meter) end() error {
	if m.pid == 0 {
		return nil
	}
	var cpuErr, rssErr error
	m.cpuEnd, cpuErr = cpuTime(m.pid)
	m.rssEnd, m.rssPeak, rssErr = residentMemory(m.pid)
	return errors.Join(cpuErr, rssErr)
}
