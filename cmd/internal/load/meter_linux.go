package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// tick is the unit of CPU time in /proc, in nanoseconds: USER_HZ is 100 on every
// Linux that Go runs on.
const tick = 10_000_000

// cpuTime is the user and system time of a process (proc_pid_stat(5)).
func cpuTime(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("measuring the server: %w", err)
	}
	// The second field is a name in parentheses, which may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("measuring the server: /proc/%d/stat has too few fields", pid)
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("measuring the server: /proc/%d/stat has no times", pid)
	}
	return (user + system) * tick, nil
}

// residentMemory is the resident memory of a process in bytes, now and at most
// (proc_pid_status(5)).
func residentMemory(pid int) (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("measuring the server: %w", err)
	}
	if now, err = statusField(text, "VmRSS:"); err != nil {
		return 0, 0, err
	}
	peak, err = statusField(text, "VmHWM:")
	return now, peak, err
}

func statusField(text []byte, name string) (int64, error) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			kib, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("measuring the server: its status has no %s", name)
}
