package testserver_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func TestPostgresGivesEachTestItsOwnDatabaseAndLog(t *testing.T) {
	t.Parallel()
	first, second := testserver.Postgres(t), testserver.Postgres(t)
	first.Exec("CREATE TABLE only_in_first (n int)")
	second.Exec("SELECT 'only in second'")

	if got := second.Query("SELECT count(*) FROM pg_tables WHERE tablename = $1", "only_in_first"); got[0][0] != "0" {
		t.Error("two tests share a database")
	}
	if log := first.StatementLog(); !strings.Contains(log, "only_in_first") || strings.Contains(log, "only in second") {
		t.Errorf("the log of the first test is not its own:\n%s", log)
	}
	if first.Prefix() == second.Prefix() {
		t.Error("two tests share a prefix")
	}
}

func TestPrivatePostgresStopsAndStarts(t *testing.T) {
	t.Parallel()
	server := testserver.PrivatePostgres(t)
	server.Exec("CREATE TABLE kept (n int)")
	address := net.JoinHostPort(server.Host(), strconv.Itoa(server.Port()))

	server.Stop()
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("a stopped server still accepts connections")
	}

	server.Start()
	if got := server.Query("SELECT count(*) FROM kept"); got[0][0] != "0" {
		t.Errorf("after a restart: %v", got)
	}
}

// childFile tells a copy of this test binary to start a server, to write where
// it is into the file, and to wait for its own violent end.
const childFile = "NHI_TESTSERVER_CHILD_FILE"

func TestPostgresChild(t *testing.T) {
	file := os.Getenv(childFile)
	if file == "" {
		return // this is the other half of TestPostgresEndsWithAKilledTest
	}
	server := testserver.Postgres(t)
	folder := server.Query("SELECT setting FROM pg_settings WHERE name = $1", "data_directory")[0][0]
	text := net.JoinHostPort(server.Host(), strconv.Itoa(server.Port())) + "\n" + folder + "\n"
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	select {}
}

// TestPostgresEndsWithAKilledTest: kill -9 of the test process, and of its
// whole process group, leaves no server and no folder.
func TestPostgresEndsWithAKilledTest(t *testing.T) {
	t.Parallel()
	testserver.Postgres(t) // skips where there is no PostgreSQL
	file := filepath.Join(t.TempDir(), "where")
	child := exec.Command(os.Args[0], "-test.run=^TestPostgresChild$", "-test.timeout=2m")
	child.Env = append(os.Environ(), childFile+"="+file)
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
		_, statErr := os.Stat(filepath.Dir(where[1]))
		return err != nil && errors.Is(statErr, fs.ErrNotExist)
	})
}
