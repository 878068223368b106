package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of CPU time in /proc: USER_HZ is 100 on every Linux that Go
// runs on.
const tick = 10 * time.Millisecond

// read reads what the kernel writes about the process, in two files: it may have run
// on between them.
func read(pid int) (u Usage, err error) {
	if u.CPU, err = cpuTime(pid); err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("measuring the server: %w", err)
	}
	if u.Memory, err = statusField(status, "VmRSS:"); err != nil {
		return Usage{}, err
	}
	u.MemoryPeak, err = statusField(status, "VmHWM:")
	return u, err
}

// cpuTime is the user and system time of a process (proc_pid_stat(5)).
func cpuTime(pid int) (time.Duration, error) {
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
	return time.Duration(user+system) * tick, nil
}

// statusField is a size in bytes out of a process's status, where it is written in
// units of 1024 bytes that are called kB (proc_pid_status(5)).
func statusField(status []byte, name string) (int64, error) {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			kib, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("measuring the server: its status has no %s", name)
}
