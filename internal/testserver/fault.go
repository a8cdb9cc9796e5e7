package testserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Fault runs a command of the CLI, whatever its exit code, with faults ordered
// in the provider: see internal/failpoint.
func (w *Workspace) Fault(t testing.TB, points string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandDeadline)
	defer cancel()
	command := w.Command(ctx, args...)
	command.Env = append(command.Env, Failpoints+"="+points)
	return run(t, command)
}

// Running is a command of the CLI that runs beside the test, in a process group
// of its own.
type Running struct {
	t       testing.TB
	command *exec.Cmd
	out     bytes.Buffer
	done    chan struct{}
	once    sync.Once
}

// Start starts a command of the CLI with faults ordered in the provider. What
// is left of it ends with the test.
func (w *Workspace) Start(t testing.TB, points string, args ...string) *Running {
	t.Helper()
	r := &Running{t: t, command: w.Command(context.Background(), args...), done: make(chan struct{})}
	r.command.Env = append(r.command.Env, Failpoints+"="+points)
	r.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.command.Stdout, r.command.Stderr = &r.out, &r.out
	// A provider that outlives its Terraform holds these open.
	r.command.WaitDelay = time.Second
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.command.Wait() // how it ended is in its state
		close(r.done)
	}()
	t.Cleanup(func() { r.KillAll(); <-r.done })
	return r
}

// Wait waits until the command has ended.
func (r *Running) Wait(deadline time.Duration) Result {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(deadline):
		r.KillAll()
		<-r.done
		r.t.Fatalf("%v did not end within %s:\n%s", r.command.Args, deadline, r.out.String())
	}
	return Result{Code: r.command.ProcessState.ExitCode(), Stdout: r.out.String()}
}

// Ended says whether the command has ended.
func (r *Running) Ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// KillCLI kills the CLI alone, as the machine does that runs out of memory.
func (r *Running) KillCLI() {
	_ = r.command.Process.Kill() // it may have ended
	<-r.done
}

// KillAll kills the CLI and every provider of it, dead stopped ones too.
func (r *Running) KillAll() {
	r.once.Do(func() { _ = syscall.Kill(-r.command.Process.Pid, syscall.SIGKILL) })
}

// Provider waits for a provider of this command that is in one of the states of
// proc(5), such as T for stopped, and returns its process id.
func (r *Running) Provider(states string) int {
	r.t.Helper()
	found := 0
	Wait(r.t, time.Minute, "a provider in state "+states, func() bool {
		if r.Ended() {
			r.t.Fatalf("%v ended:\n%s", r.command.Args, r.out.String())
		}
		for _, pid := range providersOf(r.command.Process.Pid) {
			if state := ProcessState(pid); state != "" && strings.Contains(states, state) {
				found = pid
			}
		}
		return found != 0
	})
	return found
}

// ProcessState is the state of a process as proc(5) has it; "" where there is
// none any more.
func ProcessState(pid int) string {
	state, _ := stat(pid)
	return state
}

// providersOf returns the processes of a group that are not its leader.
func providersOf(group int) []int {
	entries, _ := os.ReadDir("/proc") // without it there are none
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == group {
			continue
		}
		if state, of := stat(pid); state != "" && of == group {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat reads the state and the process group of a process.
func stat(pid int) (state string, group int) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, found := strings.Cut(string(data), ") ") // behind the name, which may hold anything
	fields := strings.Fields(rest)
	if err != nil || !found || len(fields) < 3 || fields[0] == "Z" {
		return "", 0
	}
	group, _ = strconv.Atoi(fields[2])
	return fields[0], group
}
