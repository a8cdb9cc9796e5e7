package testserver

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// keeperScript runs a server that stays in the foreground. When its input ends,
// for whatever reason (the test process finished, panicked or was killed), it
// ends the server and removes its folder. A line of input ends the server, and
// the next one starts it again. It is in a session of its own: a signal to the
// test's process group does not reach it. The first server alone holds the
// output, which ends with it.
const keeperScript = `
dir=$1
shift
trap '' PIPE INT TERM HUP
end() {
	kill -9 "$server" 2>/dev/null
	wait "$server" 2>/dev/null
}
"$@" </dev/null 3>&1 >"$dir/server.log" 2>&1 &
server=$!
exec >&-
while read -r order; do
	end
	read -r order || break
	"$@" </dev/null >>"$dir/server.log" 2>&1 &
	server=$!
done
end
rm -rf "$dir"
`

// keeper keeps one server, with a folder of its own.
type keeper struct {
	dir   string
	shell *exec.Cmd
	order io.WriteCloser
	ended chan struct{} // closed when the first server has ended
}

// newKeeper makes the folder of a server, whose name begins with name.
func newKeeper(name string) (*keeper, error) {
	dir, err := os.MkdirTemp("", name+"-")
	if err != nil {
		return nil, err
	}
	return &keeper{dir: dir, ended: make(chan struct{})}, nil
}

// start starts a server in the folder, with nothing in its environment but env
// and what every program needs.
func (k *keeper) start(env []string, binary string, args ...string) error {
	k.shell = exec.Command("/bin/sh", append([]string{"-c", keeperScript, "nhi-keeper", k.dir, binary}, args...)...)
	k.shell.Dir = k.dir
	k.shell.Env = append([]string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + k.dir}, env...)
	k.shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var err error
	if k.order, err = k.shell.StdinPipe(); err != nil {
		return err
	}
	output, err := k.shell.StdoutPipe()
	if err != nil {
		return err
	}
	if err := k.shell.Start(); err != nil {
		return err
	}
	go func() {
		defer close(k.ended)
		_, _ = io.Copy(io.Discard, output) // it holds nothing, and its end is all that counts
	}()
	return nil
}

// toggle ends the server, without warning, or starts it again.
func (k *keeper) toggle() error {
	_, err := io.WriteString(k.order, "\n")
	return err
}

// await polls ready until it returns nil.
func (k *keeper) await(patience time.Duration, ready func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-k.ended:
			return fmt.Errorf("it ended at once: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it was not ready: %w", err)
		}
	}
}

func (k *keeper) logFile() string { return filepath.Join(k.dir, "server.log") }

// close ends the server and waits until it and its folder are gone.
func (k *keeper) close() {
	if k.shell != nil && k.shell.Process != nil {
		_ = k.order.Close()
		done := time.AfterFunc(time.Minute, func() { _ = k.shell.Process.Kill() })
		defer done.Stop()
		<-k.ended
		_ = k.shell.Wait()
	}
	_ = os.RemoveAll(k.dir)
}
