package testserver

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// postgresKeeper runs the server and is the only one who may end it. It reads
// one order per line and answers ok or failed. When its input ends, for
// whatever reason (the test process finished, panicked or was killed), it ends
// the server and removes its folder, so that nothing is ever left behind. It
// is in a session of its own: a signal to the test's process group does not
// reach it.
const postgresKeeper = `
bin=$1 dir=$2
trap '' PIPE INT TERM HUP
control() { "$bin/pg_ctl" -s -D "$dir/data" "$@" </dev/null >>"$dir/keeper.log" 2>&1 && echo ok || echo failed; }
while read -r order; do
  case $order in
    init) "$bin/initdb" -N --no-instructions -D "$dir/data" -U "$3" -A scram-sha-256 --pwfile="$dir/password" \
            -E UTF8 --locale=C </dev/null >>"$dir/keeper.log" 2>&1 && echo ok || echo failed ;;
    start) control start -w -t 60 -l "$dir/server.log" ;;
    stop) control stop -w -t 60 -m fast ;;
    reload) control reload ;;
    *) echo failed ;;
  esac
done
control stop -w -t 30 -m immediate >/dev/null
rm -rf "$dir"
`

// postgresCluster is a running server with a folder of its own.
type postgresCluster struct {
	dir      string
	log      string
	port     int
	password string

	mu     sync.Mutex
	keeper *exec.Cmd
	orders io.WriteCloser
	answer *bufio.Reader
}

// requirePostgres finds pg_ctl, also where Debian keeps it: in a folder for
// each version, away from PATH.
func requirePostgres(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("pg_ctl"); err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl") // only a bad pattern is an error
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	return Require(t, "pg_ctl")
}

// startPostgres makes a cluster and starts it, with the programs beside pg_ctl.
func startPostgres(control string) (*postgresCluster, error) {
	parent := ""
	if os.Getuid() == 0 {
		parent = "/tmp" // root's own TMPDIR may be closed to the user that the server runs as
	}
	dir, err := os.MkdirTemp(parent, "nhi-postgres-")
	if err != nil {
		return nil, err
	}
	c := &postgresCluster{dir: dir, log: filepath.Join(dir, "server.log"), password: rand.Text()}
	if err := c.start(control); err != nil {
		c.close()
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

func (c *postgresCluster) start(control string) error {
	// PATH may hold a link to pg_ctl alone; initdb and postgres are beside the file itself.
	control, err := filepath.EvalSymlinks(control)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "password"), []byte(c.password+"\n"), 0o600); err != nil {
		return err
	}
	owner, err := c.owner()
	if err != nil {
		return err
	}
	c.keeper = exec.Command("/bin/sh", "-c", postgresKeeper, "nhi-postgres-keeper", filepath.Dir(control), c.dir, postgresAdmin)
	c.keeper.Dir = c.dir
	c.keeper.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	c.keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: owner}
	if c.orders, err = c.keeper.StdinPipe(); err != nil {
		return err
	}
	answers, err := c.keeper.StdoutPipe()
	if err != nil {
		return err
	}
	c.answer = bufio.NewReader(answers)
	if err := c.keeper.Start(); err != nil {
		return err
	}
	if err := c.order("init"); err != nil {
		return err
	}
	return c.listen()
}

// owner returns whom the server runs as, nil for ourselves, and gives the
// folder to them: PostgreSQL refuses to run as root.
func (c *postgresCluster) owner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(errUID, errGID, os.Chown(c.dir, int(uid), int(gid)),
			os.Chown(filepath.Join(c.dir, "password"), int(uid), int(gid))); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("we are root, PostgreSQL will not run as root, and there is no user postgres or nobody")
}

// listen starts the server on a free port. Another process may take the port
// between the look and the start, so it tries a few.
func (c *postgresCluster) listen() error {
	var err error
	for range 5 {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.configure(); err != nil {
			return err
		}
		if err = c.order("start"); err == nil {
			return nil
		}
	}
	return err
}

func (c *postgresCluster) configure() error {
	settings := []string{
		"listen_addresses = '127.0.0.1'", "port = " + strconv.Itoa(c.port), "unix_socket_directories = ''",
		"fsync = off", "synchronous_commit = off", "full_page_writes = off", "max_connections = 300",
		"shared_buffers = '32MB'", "password_encryption = 'scram-sha-256'",
		"log_statement = 'all'", "log_line_prefix = 'db=%d user=%u pid=%p '", "logging_collector = off",
		"log_connections = on", "log_parameter_max_length = -1", "timezone = 'UTC'",
	}
	return os.WriteFile(c.file("postgresql.auto.conf"), []byte(strings.Join(settings, "\n")+"\n"), 0o600)
}

// file names a file in the data folder.
func (c *postgresCluster) file(name string) string { return filepath.Join(c.dir, "data", name) }

// order gives the keeper one order and waits for its answer.
func (c *postgresCluster) order(command string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := io.WriteString(c.orders, command+"\n"); err != nil {
		return fmt.Errorf("the keeper of PostgreSQL is gone: %w", err)
	}
	answer, err := c.answer.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the keeper of PostgreSQL is gone: %w", err)
	}
	if strings.TrimSpace(answer) != "ok" {
		return fmt.Errorf("%s failed:\n%s%s", command, tail(filepath.Join(c.dir, "keeper.log")), tail(c.log))
	}
	return nil
}

// close ends the server and waits until it and its folder are gone.
func (c *postgresCluster) close() {
	if c.keeper == nil || c.keeper.Process == nil {
		return
	}
	_ = c.orders.Close()
	done := time.AfterFunc(time.Minute, func() { _ = c.keeper.Process.Kill() })
	defer done.Stop()
	_ = c.keeper.Wait()
}

// freePort returns a TCP port on loopback that nothing listened on just now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	addr, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("no TCP address: %v", listener.Addr())
	}
	return addr.Port, nil
}

// tail returns the end of a log, for an error message.
func tail(file string) string {
	const most = 2000
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error() + "\n"
	}
	if len(data) > most {
		data = data[len(data)-most:]
	}
	return string(data)
}
