package witness_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver/killpoint"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/witness"
)

// The test binary starts itself again, told what to do by these variables.
const (
	envRole = "NHI_WITNESS_TEST_ROLE"
	envPath = "NHI_WITNESS_TEST_PATH"
)

const killedLedger = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"

func TestMain(m *testing.M) {
	role, path := os.Getenv(envRole), os.Getenv(envPath)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := act(role, path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// act does one thing to a memory.
func act(role, path string) error {
	if role == "create" {
		d, err := witness.Create(path, killedLedger, dawn)
		if err != nil {
			return err
		}
		return d.Close()
	}
	d, err := witness.Open(path)
	if err != nil {
		return err
	}
	if role == "rotate" {
		err = d.Rotate(dawn)
	} else {
		err = d.Commit(sightings(2, 40), dawn.Add(time.Hour))
	}
	return errors.Join(err, d.Close())
}

// sightings are records of entries from one number to another.
func sightings(from, to uint64) []witness.Record {
	var records []witness.Record
	for seq := from; seq <= to; seq++ {
		records = append(records, witness.Record{Kind: witness.KindEntry, Time: dawn, Chain: "grant/a", Seq: seq, Hash: nhi.DigestOf(fmt.Sprint(seq))})
	}
	return records
}

// A witness is killed just before and just after every call that changes the
// disk, while it makes a memory, adds to it, or changes its key: the memory is
// the one before or the one after, and goes on.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"create", "commit", "rotate"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			start := func() string {
				path := filepath.Join(t.TempDir(), "memory")
				if role != "create" {
					d, err := witness.Create(path, killedLedger, dawn)
					must(t, err)
					must(t, d.Commit(sightings(1, 1), dawn))
					must(t, d.Close())
				}
				return path
			}
			run := func(path string, at int, do killpoint.Action) killpoint.Outcome {
				outcome, err := killpoint.Run(killpoint.Plan{
					Args: []string{os.Args[0]}, Dir: filepath.Dir(path), At: at, Do: do,
					Env: append(os.Environ(), envRole+"="+role, envPath+"="+path, "GOMAXPROCS=1", "GOGC=off"),
				})
				if errors.Is(err, killpoint.ErrUnsupported) {
					t.Skip(err)
				}
				must(t, err)
				return outcome
			}
			whole := run(start(), 0, killpoint.Watch)
			if whole.Code != 0 || len(whole.Calls) < 5 {
				t.Fatalf("%+v", whole)
			}
			before, after, kills := 0, 0, 0
			for i, call := range whole.Calls {
				for _, do := range []killpoint.Action{killpoint.KillBefore, killpoint.KillAfter} {
					path := start()
					if run(path, i+1, do).Killed {
						kills++
					}
					is, err := standing(role, path)
					switch {
					case err != nil:
						t.Errorf("killed at call %d, %s (after it: %t): %v", i+1, call, do == killpoint.KillAfter, err)
					case is:
						after++
					default:
						before++
					}
				}
			}
			if before == 0 || after == 0 || kills < len(whole.Calls) {
				t.Errorf("%d kills, %d memories as before, %d as after", kills, before, after)
			}
			t.Logf("%d kills at %d calls: %d memories as before, %d as after", kills, len(whole.Calls), before, after)
		})
	}
}

// standing says whether a memory is the one after; an error where it is
// neither, or does not go on, or where anything secret is left beside it.
func standing(role, path string) (after bool, err error) {
	if _, err := os.Stat(path); role == "create" && errors.Is(err, os.ErrNotExist) {
		d, err := witness.Create(path, killedLedger, dawn)
		if err != nil {
			return false, err
		}
		return false, d.Close()
	}
	d, err := witness.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	switch n, keys := d.Memory.Entries(), len(d.Memory.Keys()); {
	case role == "create":
		after = d.Memory.Size() == 1
	case role == "rotate" && n == 1:
		after = keys == 2
	case role == "commit" && (n == 1 || n == 40):
		after = n == 40
	default:
		return false, fmt.Errorf("%d entries, %d keys", n, keys)
	}
	if err := d.Commit(sightings(41, 41), dawn); err != nil {
		return false, err
	}
	left, err := os.ReadDir(path)
	if err != nil {
		return false, err
	}
	for _, file := range left {
		if name := file.Name(); strings.HasPrefix(name, ".nhi-new-") || name == "key.next" {
			return false, fmt.Errorf("%s is left", name)
		}
	}
	if _, _, err := witness.Read(path); err != nil {
		return false, err
	}
	return after, nil
}
