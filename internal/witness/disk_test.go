package witness_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/witness"
)

func (a *auditor) file(name string) string { return filepath.Join(a.dir, name) }

func (a *auditor) log() string {
	a.t.Helper()
	data, err := os.ReadFile(a.file("log"))
	must(a.t, err)
	return string(data)
}

// copyTo copies the memory's files into a new folder.
func (a *auditor) copyTo(names ...string) string {
	a.t.Helper()
	dir := a.t.TempDir()
	for _, name := range names {
		data, err := os.ReadFile(a.file(name))
		must(a.t, err)
		must(a.t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return dir
}

func TestCreateIsWholeOrNot(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	if _, err := witness.Create(a.dir, a.book.ID(), dawn); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a memory: %v, want fs.ErrExist", err)
	}
	root := t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o600))
	for _, path := range []string{root, filepath.Join(root, "file")} {
		if d, err := witness.Create(path, a.book.ID(), dawn); err == nil && path == root {
			t.Errorf("%s: a memory was made over what was there", path)
			_ = d.Close()
		}
	}
	empty := t.TempDir()
	d, err := witness.Create(empty, a.book.ID(), dawn)
	must(t, err)
	must(t, d.Close())
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(a.dir), ".nhi-witness-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if _, err := witness.Create(t.TempDir(), "x", dawn); err == nil {
		t.Error("a memory of no ledger was made")
	}
	if _, err := witness.Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"key", "log", "checkpoint"} {
		info, err := os.Stat(a.file(name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
	}
}

func TestOneWitnessAtATime(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	if _, err := witness.Open(a.dir); !errors.Is(err, witness.ErrBusy) {
		t.Errorf("a second one: %v, want ErrBusy", err)
	}
	if _, _, err := witness.Read(a.dir); err != nil {
		t.Errorf("reading needs no lock: %v", err)
	}
	a.reopen()
}

// Any byte of the memory that changes is noticed by whoever opens it.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	a.grow("grant/a", 2)
	a.look()
	must(t, a.disk.Rotate(a.now))
	a.look()
	for _, name := range []string{"log", "checkpoint"} {
		dir := a.copyTo("log", "checkpoint")
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		must(t, err)
		for i := range good {
			bad := append([]byte{}, good...)
			bad[i] ^= 0x01
			must(t, os.WriteFile(path, bad, 0o600))
			if _, _, err := witness.Read(dir); !errors.Is(err, witness.ErrDamaged) {
				t.Fatalf("byte %d of %s changed: %v, want ErrDamaged", i, name, err)
			}
			must(t, os.WriteFile(path, good[:i], 0o600))
			if _, _, err := witness.Read(dir); !errors.Is(err, witness.ErrDamaged) {
				t.Fatalf("%s cut at byte %d: %v, want ErrDamaged", name, i, err)
			}
		}
	}
	// The key of another memory signs nothing here.
	b := newAuditor(t)
	must(t, a.disk.Close())
	other, err := os.ReadFile(b.file("key"))
	must(t, err)
	mine, err := os.ReadFile(a.file("key"))
	must(t, err)
	must(t, os.WriteFile(a.file("key"), other, 0o600))
	_, err = witness.Open(a.dir)
	wantDamaged(t, "another key", err)
	if err != nil && strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("the error quotes the key: %v", err)
	}
	must(t, os.WriteFile(a.file("key"), mine, 0o600))
	a.disk, err = witness.Open(a.dir)
	must(t, err)
}

// A witness that is stopped while it writes its log leaves a part of it behind
// the checkpoint, cut anywhere: the memory is the one before, and goes on.
func TestUnfinishedLog(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	a.grow("grant/a", 2)
	a.look()
	before := a.copyTo("log", "checkpoint", "key")
	covered := len(a.log())
	a.grow("grant/a", 2)
	a.look()
	log := a.log()
	for end := covered; end <= len(log); end++ {
		must(t, os.WriteFile(filepath.Join(before, "log"), []byte(log[:end]), 0o600))
		memory, _, err := witness.Read(before)
		if err != nil || memory.Entries() != 3 {
			t.Fatalf("cut at byte %d: %v", end, err)
		}
	}
	d, err := witness.Open(before)
	must(t, err)
	report, records := d.Memory.Compare(a.seen(), a.now)
	if !report.OK() || report.New != 2 {
		t.Errorf("%+v", report)
	}
	must(t, d.Commit(records, a.now))
	must(t, d.Close())
	if memory, _, err := witness.Read(before); err != nil || memory.Entries() != 5 {
		t.Errorf("%v", err)
	}
}

// The old key vouches for the new one; old checkpoints stay good, and those of
// other memories and of a rewritten one never were.
func TestRotateAndOlderCheckpoints(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	first := a.disk.Memory.Key()
	checkpoints := []string{a.disk.Checkpoint.Note}
	for range 3 {
		a.grow("grant/a", 1)
		a.look()
		checkpoints = append(checkpoints, a.disk.Checkpoint.Note)
		must(t, a.disk.Rotate(a.now))
		checkpoints = append(checkpoints, a.disk.Checkpoint.Note)
		a.reopen()
	}
	memory, now, err := witness.Read(a.dir)
	must(t, err)
	if keys := memory.Keys(); len(keys) != 4 || keys[0] != first || memory.Key() != keys[3] {
		t.Errorf("keys %q", keys)
	}
	for i, checkpoint := range checkpoints {
		if _, err := memory.Confirm(checkpoint); err != nil {
			t.Errorf("checkpoint %d: %v", i, err)
		}
	}
	if !strings.HasPrefix(now.Note, "nhi-witness/"+a.book.ID()+"\n") {
		t.Errorf("the checkpoint is %s", now.Note)
	}
	// A witness that begins again has another memory, of the same ledger.
	again, err := witness.Create(filepath.Join(t.TempDir(), "again"), a.book.ID(), dawn)
	must(t, err)
	must(t, again.Commit([]witness.Record{}, dawn))
	_, err = again.Memory.Confirm(checkpoints[0])
	wantDamaged(t, "the checkpoint of another memory", err)
	_, err = memory.Confirm(again.Checkpoint.Note)
	wantDamaged(t, "the checkpoint of another memory", err)
	must(t, again.Close())
	// A copy that went on by itself: the two no longer agree.
	fork := a.copyTo("log", "checkpoint", "key")
	d, err := witness.Open(fork)
	must(t, err)
	must(t, d.Commit([]witness.Record{{Kind: witness.KindStranger, Time: dawn}}, dawn))
	a.grow("grant/a", 1)
	a.look()
	_, err = d.Memory.Confirm(a.disk.Checkpoint.Note)
	wantDamaged(t, "a memory that was forked", err)
	must(t, d.Close())
	_, err = memory.Confirm(a.disk.Checkpoint.Note)
	wantDamaged(t, "a memory that is older than the checkpoint", err)
}

// A key that was not vouched for by the one before never counts.
func TestKeysNobodyVouchedFor(t *testing.T) {
	t.Parallel()
	a, b := newAuditor(t), newAuditor(t)
	// A key of the same name, which anybody can make.
	forger, err := witness.Create(filepath.Join(t.TempDir(), "forged"), a.book.ID(), dawn)
	must(t, err)
	forged := forger.Memory.Key()
	must(t, forger.Close())
	for name, record := range map[string]witness.Record{
		"without a vouch":  {Kind: witness.KindKey, Time: dawn, Key: b.disk.Memory.Key()},
		"another's note":   {Kind: witness.KindKey, Time: dawn, Key: b.disk.Memory.Key(), Vouch: b.disk.Checkpoint.Note},
		"its own note":     {Kind: witness.KindKey, Time: dawn, Key: b.disk.Memory.Key(), Vouch: a.disk.Checkpoint.Note},
		"of the same name": {Kind: witness.KindKey, Time: dawn, Key: forged, Vouch: a.disk.Checkpoint.Note},
		"begun twice":      {Kind: witness.KindBegan, Time: dawn, Ledger: a.book.ID(), Key: a.disk.Memory.Key()},
		"an unknown kind":  {Kind: "novel", Time: dawn},
		"no entry":         {Kind: witness.KindEntry, Time: dawn},
		"never seen":       {Kind: witness.KindGone, Time: dawn, Chain: "grant/a", Seq: 1, To: 3},
		"no first one":     {Kind: witness.KindOther, Time: dawn, Chain: "grant/a", Seq: 1, Hash: nhi.DigestOf("x")},
		"no reason":        {Kind: witness.KindAccepted, Time: dawn},
	} {
		err := a.disk.Commit([]witness.Record{record}, dawn)
		wantDamaged(t, name, err)
		if record.Kind == witness.KindKey && !strings.Contains(fmt.Sprint(err), "vouch") {
			t.Errorf("%s: %v, want that nobody vouched for it", name, err)
		}
	}
	a.look()
	a.reopen()
}

// Ten thousand entries cost seconds, not minutes.
func TestScale(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	a := newAuditor(t)
	for i := range 100 {
		a.grow("grant/"+strings.Repeat("x", i+1), 100)
	}
	began := time.Now()
	if report := a.look(); report.New != 10_001 {
		t.Errorf("%d are new", report.New)
	}
	a.reopen()
	if report := a.look(); report.New != 0 || !report.OK() {
		t.Errorf("%+v", report)
	}
	t.Logf("two looks at 10,001 entries: %s", time.Since(began))
}
