package ssh_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// revokeMany revokes n fresh accounts, each through a system of its own.
func revokeMany(t *testing.T, w *world, n int) []connector.Account {
	t.Helper()
	accounts := make([]connector.Account, n)
	var wait sync.WaitGroup
	for i := range accounts {
		accounts[i] = w.account(t, time.Hour, w.access())
		accounts[i].Enabled = true // and the certificate was lost
		wait.Go(func() {
			c := open(t, ssh.Kind(), w.unprobed("krl"))
			if out := c.Revoke(t.Context(), accounts[i:i+1]); len(out) != 1 || out[0].Err != nil {
				t.Errorf("revoke: %+v", out)
			}
		})
	}
	wait.Wait()
	return accounts
}

// helperFolder is set in the processes that TestAtOnce starts.
const helperFolder = "NHI_TEST_SSH_FOLDER"

// TestAtOnce: several processes, each with several goroutines, revoke at the
// same time, and nobody's serial is lost.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	const processes, each = 3, 8
	if folder := os.Getenv(helperFolder); folder != "" {
		server := &testserver.SSHServer{Folder: folder, User: "deploy", CAKeyFile: filepath.Join(folder, "ca"), KRLFile: filepath.Join(folder, "revoked.krl")}
		w := &world{server: server, key: testserver.NewSSHKey(t, filepath.Join(t.TempDir(), "user"))}
		var serials []string
		for _, account := range revokeMany(t, w, each) {
			serials = append(serials, observe(t, open(t, ssh.Kind(), w.unprobed("krl")), account).ID)
		}
		write(t, filepath.Join(folder, "done-"+serials[0]), strings.Join(serials, "\n"))
		return
	}
	w := paper(t)
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range processes {
		wait.Go(func() {
			command := exec.Command(me, "-test.run=^TestAtOnce$", "-test.count=1")
			command.Env = append(os.Environ(), helperFolder+"="+w.server.Folder)
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wait.Wait()
	reports, err := filepath.Glob(filepath.Join(w.server.Folder, "done-*"))
	if err != nil || len(reports) != processes {
		t.Fatalf("%d reports (%v), want %d", len(reports), err, processes)
	}
	list, ca := w.list(t), caOf(t, w)
	for _, report := range reports {
		data, err := os.ReadFile(report)
		if err != nil {
			t.Fatal(err)
		}
		serials := bytes.Fields(data)
		if len(serials) != each {
			t.Errorf("%d serials in a report, want %d", len(serials), each)
		}
		for _, serial := range serials {
			number, err := strconv.ParseUint(string(serial), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if !list.RevokesSerial(ca, number) {
				t.Errorf("serial %s was lost", serial)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(w.server.Folder, ".krl-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if list.Version() != processes*each {
		t.Errorf("version is %d after %d changes", list.Version(), processes*each)
	}
}
