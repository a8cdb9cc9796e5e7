package provider_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// onItsOwnDisk puts the ledger's folder on a small disk of its own.
func (w *world) onItsOwnDisk() {
	w.t.Helper()
	folder := filepath.Join(w.Dir, ".nhi")
	kept := w.t.TempDir()
	must(w.t, os.CopyFS(kept, os.DirFS(folder)))
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		w.t.Skipf("needs to mount a disk: %v", err)
	}
	w.t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	must(w.t, os.CopyFS(folder, os.DirFS(kept)))
}

// TestCase07LedgerCannotBeWritten: with the disk full, the folder read-only or
// gone, or the store refusing an append, nothing is granted and nothing changes
// on the targets, the error says what is wrong, and revocation goes on.
func TestCase07LedgerCannotBeWritten(t *testing.T) {
	t.Parallel()
	l := approvedLandscape(t, false)
	l.onItsOwnDisk()
	folder := filepath.Join(l.Dir, ".nhi")
	fill := func() func() {
		file, err := os.Create(filepath.Join(folder, "filler"))
		must(t, err)
		chunk := bytes.Repeat([]byte{1}, 4096)
		for err == nil {
			_, err = file.Write(chunk)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("filling the disk: %v", err)
		}
		must(t, file.Close())
		return func() { must(t, os.Remove(file.Name())) }
	}
	readOnly := func() func() {
		must(t, syscall.Mount("", folder, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		return func() { must(t, syscall.Mount("", folder, "", syscall.MS_REMOUNT, "")) }
	}
	gone := func() func() {
		must(t, os.Rename(filepath.Join(folder, local.FileName), filepath.Join(folder, "away")))
		return func() { must(t, os.Rename(filepath.Join(folder, "away"), filepath.Join(folder, local.FileName))) }
	}
	refuses := func() func() {
		l.lockLedger()
		return func() {
			db := l.rawLedger()
			_, err := db.Exec("DROP TRIGGER full")
			must(t, err)
			must(t, db.Close())
		}
	}
	check := l.untouched()
	for words, fault := range map[string]func() func(){
		"the disk is full": fill, "may not be written": readOnly, "nhi init": gone, "no space left": refuses,
	} {
		l.saved("plan")
		mend := fault()
		wants(t, l.applySaved("plan"), 1, "Access not granted", words)
		check(words)
		mend()
	}
	if l.used() != 0 {
		t.Errorf("%d activations", l.used())
	}
	wants(t, l.Apply(t), 0, "active = true")
	certificate := l.certificates()[0]
	mend := fill()
	wants(t, l.Destroy(t), 0, "The ledger is away", "the disk is full")
	if roles := l.roles(); len(roles) > 0 || l.sshWorks(certificate) {
		t.Errorf("after destroy: roles %v", roles)
	}
	l.nothingInVault()
	mend()
	l.configured()
	wants(t, l.NHI(t, "sweep"), 6, "wait in")
	wants(t, l.NHI(t, "sweep", "--revoke"), 0, "Nothing is due")
	entries := l.chain(ledger.GrantChain(l.etl)).Entries
	if last, ok := entries[len(entries)-1].Body.(ledger.VerificationBody); !ok || last.Targets["db"].State != "absent" {
		t.Errorf("the ledger's last word is %#v", entries[len(entries)-1].Body)
	}
}

// TestCase08TargetDown: a removal with a target down is kept as revoking, is
// never called revoked, and the next apply finishes it.
func TestCase08TargetDown(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, true)
	l.advance(721 * time.Hour)
	l.db.Stop()
	wants(t, l.Apply(t), 1, "not confirmed as removed", "db (")
	status := func(want string) {
		t.Helper()
		if got := l.attribute("nhi_grant.etl", "status"); got != want {
			t.Errorf("the status is %v, want %s", got, want)
		}
	}
	status("revoking")
	l.nothingInVault()
	wants(t, l.Plan(t), 2, `"revoking" -> "revoked"`)
	wants(t, l.Apply(t), 1, "not confirmed as removed")
	status("revoking")
	l.db.Start()
	wants(t, l.Apply(t), 0)
	status("revoked")
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("roles: %v", roles)
	}
	wants(t, l.Plan(t), 0)
}

// TestCase09AlreadyGone: what somebody has removed by hand is revoked with
// success, and the targets were asked.
func TestCase09AlreadyGone(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	l.db.Exec(fmt.Sprintf("DROP ROLE %q", nhi.Principal(l.etl, "db")))
	l.vaultDrop(l.entity())
	l.vaultDrop(l.appRole(""))
	log := len(l.sshd.Log())
	wants(t, l.Destroy(t, "-refresh=false"), 0)
	entries := l.chain(ledger.GrantChain(l.etl)).Entries
	last, _ := entries[len(entries)-1].Body.(ledger.VerificationBody)
	for _, key := range []string{"db", "kv", "box"} {
		if seen := last.Targets[key]; seen.State != "absent" || !seen.Verified || seen.Open != "" {
			t.Errorf("%s is recorded as %+v", key, seen)
		}
	}
	if !strings.Contains(l.sshd.Log()[log:], "revoked") {
		t.Errorf("the host was not asked:\n%s", l.sshd.Log()[log:])
	}
}

// TestCase10OwnsAndIsIn: a role that owns something and has an open session
// loses session, login and privileges at once; the error names what it owns, and
// once that is handed over, the role goes.
func TestCase10OwnsAndIsIn(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	role := nhi.Principal(l.etl, "db")
	l.db.Exec(fmt.Sprintf("ALTER ROLE %q LOGIN PASSWORD 'known'", role))
	url := l.db.UserURL(role, "known")
	session, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { _ = session.Close(t.Context()) }()
	l.db.Exec(fmt.Sprintf("CREATE TABLE left_over (id int); ALTER TABLE left_over OWNER TO %q", role))
	wants(t, l.Destroy(t), 1, "not confirmed as removed", "db (", "left_over")
	if err := session.Ping(t.Context()); err == nil || l.postgresWorks(url) {
		t.Errorf("the session goes on (%v), or its credential lets in", err)
	}
	if rows := l.db.Query("SELECT rolcanlogin::text, (SELECT count(*) FROM pg_auth_members WHERE member = r.oid)::text FROM pg_roles r WHERE rolname = $1", role); len(rows) != 1 || rows[0][0] != "false" || rows[0][1] != "0" {
		t.Errorf("the role is %v", rows)
	}
	l.db.Exec("ALTER TABLE left_over OWNER TO CURRENT_USER")
	wants(t, l.Destroy(t), 0)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("roles: %v", roles)
	}
}

// TestCase24OneByte: with one byte of the ledger broken, in a row or in the file
// itself, nothing is granted on that chain, everything else works, and so does
// revoke.
func TestCase24OneByte(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.configured()
	names := []string{"row", "file", "other"}
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem()+l.sshSystem(l.probing(l.sshd)))+variables+l.jobs(names))
	wants(t, l.Apply(t), 0, "active = 0")
	for _, person := range []string{ana, ben} {
		wants(t, l.tool("approve", "--yes", "--key", l.keyFile(person), string(l.theJob("row")), string(l.theJob("file")), string(l.theJob("other"))), 0)
	}
	l.tamper(ledger.ApprovalChain(l.theJob("row")), func(e [][]byte) [][]byte { e[1][len(e[1])/2] ^= 1; return e })
	l.flipByte(`"chain":"` + ledger.ApprovalChain(l.theJob("file")) + `","seq":2`)
	wants(t, l.Apply(t), 0, "active = 1", "approval/")
	if roles := l.roles(); len(roles) != 1 || roles[0] != nhi.Principal(l.theJob("other"), "db") {
		t.Errorf("roles: %v", roles)
	}
	wants(t, l.NHI(t, "verify"), 1, "row:default", "file:default")
	certificate := l.certificateOf("other")
	l.flipByte(`"chain":"` + ledger.GrantChain(l.theJob("other")) + `","seq":2`)
	wants(t, l.Plan(t), 0, "No changes")
	wants(t, l.NHI(t, "revoke", "--yes", string(l.theJob("other")), "--state", "terraform.tfstate"), 6, "is gone", "The record waits")
	l.wantEnded("revoke", map[string]string{"other": certificate}, "other")
	wants(t, l.Destroy(t), 0)
}

// flipByte changes one byte of the ledger's file, behind a text that stands in
// it once.
func (w *world) flipByte(behind string) {
	w.t.Helper()
	db := w.rawLedger()
	_, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	must(w.t, err)
	must(w.t, db.Close())
	path := filepath.Join(w.Dir, ".nhi", local.FileName)
	data, err := os.ReadFile(path)
	must(w.t, err)
	if n := bytes.Count(data, []byte(behind)); n != 1 {
		w.t.Fatalf("%s stands %d times in the file", behind, n)
	}
	data[bytes.Index(data, []byte(behind))+len(behind)+20] ^= 1
	must(w.t, os.WriteFile(path, data, fs.FileMode(0o600)))
}
