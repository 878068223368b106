//go:build unix

package hubtest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

func pauseProcess(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resumeProcess(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// isPaused reports whether a process that was sent SIGSTOP has got it: the system
// delivers it when the process would run next.
func isPaused(p *os.Process) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err == nil {
		// The state stands behind the name, which is in parentheses.
		return strings.HasPrefix(string(stat[strings.LastIndex(string(stat), ")")+1:]), " T")
	}
	state, err := exec.Command("ps", "-o", "state=", "-p", fmt.Sprint(p.Pid)).Output()
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(state)), "T")
}
