package testserver_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// childVariable tells a copy of this test binary to start a server, to write
// where it is into the file, and to wait for its own violent end.
const childVariable = "NHI_TESTSERVER_CHILD_FILE"

// childFile is "" where this process is not such a copy.
func childFile() string { return os.Getenv(childVariable) }

// waitForTheEnd tells where the server is, and never returns.
func waitForTheEnd(t *testing.T, file, address, folder string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(address+"\n"+folder+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	select {}
}

// endsWithAKilledTest: kill -9 of the test process, and of its whole process
// group, leaves no server and no folder.
func endsWithAKilledTest(t *testing.T, test string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "where")
	child := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.timeout=2m")
	child.Env = append(os.Environ(), childVariable+"="+file)
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill := func() {
		if !killed {
			killed = true
			_ = syscall.Kill(-child.Process.Pid, syscall.SIGKILL)
			_ = child.Wait()
		}
	}
	t.Cleanup(kill)
	var where []string
	testserver.Wait(t, time.Minute, "the child's server is up", func() bool {
		data, err := os.ReadFile(file)
		where = strings.Split(string(data), "\n")
		return err == nil
	})
	kill()
	testserver.Wait(t, time.Minute, "server and folder are gone", func() bool {
		conn, err := net.Dial("tcp", where[0])
		if err == nil {
			_ = conn.Close()
		}
		_, statErr := os.Stat(where[1])
		return err != nil && errors.Is(statErr, fs.ErrNotExist)
	})
}
