//go:build linux && (amd64 || arm64)

package killpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// Flags of wait4 that the standard library has no names for.
const (
	waitAll     = 0x40000000 // __WALL: threads too
	waitOurs    = 0x20000000 // __WNOTHREAD: no child of another thread of ours
	optExitKill = 0x00100000 // PTRACE_O_EXITKILL
	optSysGood  = 0x00000001 // PTRACE_O_TRACESYSGOOD
	optClone    = 0x00000008 // PTRACE_O_TRACECLONE
	sysGood     = 0x80       // how a stop at a call is told from any other
)

// Run runs the program to its end, or to the call of the plan. ErrUnsupported
// where tracing is not allowed.
func Run(plan Plan) (Outcome, error) {
	if fails := plan.Do == FailOnce || plan.Do == FailOn; fails && !canFail {
		return Outcome{Code: -1}, ErrUnsupported
	}
	type result struct {
		outcome Outcome
		err     error
	}
	done := make(chan result)
	go func() {
		// The kernel takes this thread for the tracer. It is not given back, so
		// it ends with the goroutine, and with it whatever it still traces.
		runtime.LockOSThread()
		outcome, err := run(plan)
		done <- result{outcome, err}
	}()
	r := <-done
	return r.outcome, r.err
}

func run(plan Plan) (Outcome, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return Outcome{}, err
	}
	defer func() { _ = null.Close() }()
	var out, errs strings.Builder
	var pipes sync.WaitGroup
	stdout, err := collect(&out, &pipes)
	if err != nil {
		return Outcome{}, err
	}
	stderr, err := collect(&errs, &pipes)
	if err != nil {
		_ = stdout.Close()
		return Outcome{}, err
	}
	pid, err := syscall.ForkExec(plan.Args[0], plan.Args, &syscall.ProcAttr{
		Env: plan.Env, Files: []uintptr{null.Fd(), stdout.Fd(), stderr.Fd()},
		// The group is what next waits for.
		Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	_, _ = stdout.Close(), stderr.Close()
	if err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	t := &tracer{plan: plan, pid: pid, inside: map[int]call{}, started: map[int]bool{pid: true}}
	err = t.trace()
	pipes.Wait()
	t.outcome.Output, t.outcome.Errors = out.String(), errs.String()
	return t.outcome, err
}

// collect returns a pipe whose content ends up in a text.
func collect(into *strings.Builder, pipes *sync.WaitGroup) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	pipes.Go(func() {
		_, _ = io.Copy(into, read)
		_ = read.Close()
	})
	return write, nil
}

// tracer follows one program.
type tracer struct {
	plan    Plan
	pid     int
	inside  map[int]call // the call that a thread is in, where it counts
	started map[int]bool // threads whose first stop was seen
	outcome Outcome
}

// trace follows the program until it has ended.
func (t *tracer) trace() error {
	var status syscall.WaitStatus
	if _, err := wait(t.pid, &status); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if !status.Stopped() {
		return fmt.Errorf("%w: the program did not stop at its start", ErrUnsupported)
	}
	if err := syscall.PtraceSetOptions(t.pid, optExitKill|optSysGood|optClone); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	thread, signal := t.pid, 0
	for {
		// A thread that was killed meanwhile cannot go on, and is waited for.
		if err := syscall.PtraceSyscall(thread, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ptrace: %w", err)
		}
		var err error
		if thread, signal, err = t.next(); err != nil || thread == 0 {
			return err
		}
	}
}

// next waits for a thread to stop, and returns it with the signal to give it;
// thread 0 when the program has ended. It waits for the program's own process
// group: before it became the tracer, this thread may have started programs
// that others wait for.
func (t *tracer) next() (thread, signal int, err error) {
	for {
		var status syscall.WaitStatus
		thread, err := wait(-t.pid, &status)
		switch {
		case err != nil:
			return 0, 0, fmt.Errorf("wait: %w", err)
		case status.Exited() || status.Signaled():
			if thread != t.pid {
				continue
			}
			t.outcome.Code = -1
			if status.Exited() {
				t.outcome.Code = status.ExitStatus()
			}
			return 0, 0, nil
		case !status.Stopped():
			continue
		}
		return thread, t.stopped(thread, status), nil
	}
}

// stopped acts on one stop of a thread, and returns the signal to give it.
func (t *tracer) stopped(thread int, status syscall.WaitStatus) int {
	signal := status.StopSignal()
	switch {
	case signal == syscall.SIGTRAP|sysGood:
		t.atCall(thread)
		return 0
	case signal == syscall.SIGTRAP: // a thread was made
		return 0
	case signal == syscall.SIGSTOP && !t.started[thread]:
		t.started[thread] = true
		return 0
	default:
		return int(signal)
	}
}

// atCall acts at the beginning or at the end of a call.
func (t *tracer) atCall(thread int) {
	info, err := callInfo(thread)
	if err != nil {
		return // it was killed meanwhile
	}
	if info.leaving() {
		entered, counts := t.inside[thread]
		delete(t.inside, thread)
		if counts && entered.failing {
			_ = setResult(thread, t.plan.Error)
		}
		if counts && entered.number == t.plan.At && t.plan.Do == KillAfter {
			t.kill()
		}
		return
	}
	entered, counts := t.describe(thread, info)
	if !counts || t.outcome.Killed {
		return
	}
	t.outcome.Calls = append(t.outcome.Calls, entered.text)
	entered.number = len(t.outcome.Calls)
	switch {
	case entered.number == t.plan.At && t.plan.Do == KillBefore:
		t.kill()
	case entered.number == t.plan.At && t.plan.Do == FailOnce,
		entered.number >= t.plan.At && t.plan.Do == FailOn && entered.needsSpace:
		entered.failing = skip(thread) == nil
	}
	t.inside[thread] = entered
}

func (t *tracer) kill() {
	t.outcome.Killed = true
	_ = syscall.Kill(t.pid, syscall.SIGKILL)
}

func wait(pid int, status *syscall.WaitStatus) (int, error) {
	for {
		thread, err := syscall.Wait4(pid, status, waitAll|waitOurs, nil)
		if !errors.Is(err, syscall.EINTR) {
			return thread, err
		}
	}
}
