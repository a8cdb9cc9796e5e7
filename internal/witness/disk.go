package witness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ErrBusy says that another witness is at work on the same memory.
var ErrBusy = errors.New("another witness is at work on this memory")

// The files of a memory.
const (
	logName        = "log"        // the records, one a line
	checkpointName = "checkpoint" // the signed head; what it covers is the memory
	keyName        = "key"        // the private key: never leaves this folder
	nextKeyName    = "key.next"   // while the key is being changed
	lockName       = "lock"
)

// Who may look: the owner.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// maxLog bounds the log of a memory, in bytes: some ten million entries.
const maxLog = 2 << 30

// Disk is a memory in a folder, held by one process. The memory changes when
// the checkpoint gets its new content and at no other moment: a process that is
// killed leaves the memory before, or the one after.
type Disk struct {
	Memory     *Memory
	Checkpoint Checkpoint

	path   string
	size   int64 // of the part of the log that is covered, in bytes
	signer note.Signer
	lock   io.Closer
}

// Create makes an empty memory of a ledger, with a new key, in the folder path:
// wholly or not at all. fs.ErrExist where the folder holds anything.
func Create(path, ledger string, now time.Time) (*Disk, error) {
	private, public, err := generateKey(ledger)
	if err != nil {
		return nil, err
	}
	parent := filepath.Dir(filepath.Clean(path))
	if err := os.MkdirAll(parent, dirMode); err != nil {
		return nil, err
	}
	staged, err := os.MkdirTemp(parent, ".nhi-witness-*") // 0700
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(staged) }() // gone by then, where all went well
	d := &Disk{Memory: newMemory(), path: staged}
	if d.signer, err = signerOf(private, public); err != nil {
		return nil, err
	}
	if err := durable.WriteFile(filepath.Join(staged, keyName), []byte(private.Reveal()+"\n"), fileMode); err != nil {
		return nil, err
	}
	if err := d.Commit([]Record{{Kind: KindBegan, Time: now, Ledger: ledger, Key: public}}, now); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty folder may be there
		return nil, fmt.Errorf("%s holds something already: %w: %w", path, fs.ErrExist, err)
	}
	if err := errors.Join(os.Rename(staged, path), durable.SyncFolder(parent)); err != nil {
		return nil, err
	}
	return Open(path)
}

// Open opens the memory in the folder path to add to it, and checks all of it.
// ErrBusy while another process has it open, ErrDamaged where it is not as it
// was written, fs.ErrNotExist where there is none.
func Open(path string) (d *Disk, err error) {
	if _, err := os.Stat(filepath.Join(path, checkpointName)); err != nil {
		return nil, fmt.Errorf("%s holds no memory of a witness (`nhi witness init` makes one): %w", path, err)
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	d = &Disk{path: path, lock: lock}
	if d.Memory, d.Checkpoint, d.size, err = read(path); err != nil {
		return nil, err
	}
	if d.signer, err = d.openKey(); err != nil {
		return nil, err
	}
	err = d.tidy()
	return d, err
}

// tidy removes what a process left that was killed: it can hold a private key.
func (d *Disk) tidy() error {
	left, err := filepath.Glob(filepath.Join(d.path, durable.StagedPattern))
	if err != nil {
		return err
	}
	for _, path := range append(left, filepath.Join(d.path, nextKeyName)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Read reads and checks the memory in the folder path, or a copy of it without
// the private key, also while another process adds to it.
func Read(path string) (*Memory, Checkpoint, error) {
	memory, checkpoint, _, err := read(path)
	return memory, checkpoint, err
}

func read(path string) (*Memory, Checkpoint, int64, error) {
	// The checkpoint first: the log only grows behind it.
	signed, err := readFile(filepath.Join(path, checkpointName), maxNote)
	if err != nil {
		return nil, Checkpoint{}, 0, err
	}
	log, err := readFile(filepath.Join(path, logName), maxLog)
	if err != nil {
		return nil, Checkpoint{}, 0, err
	}
	return Remember(log, string(signed))
}

// openKey opens the private key of the memory. Where the key was being changed
// when the process was killed, it brings that to its end.
func (d *Disk) openKey() (note.Signer, error) {
	path, next := filepath.Join(d.path, keyName), filepath.Join(d.path, nextKeyName)
	signer, err := readKey(path, d.Memory.Key())
	if err == nil || !errors.Is(err, ErrDamaged) {
		return signer, err
	}
	signer, nextErr := readKey(next, d.Memory.Key())
	if nextErr != nil {
		return nil, err
	}
	return signer, errors.Join(os.Rename(next, path), durable.SyncFolder(d.path))
}

func readKey(path, public string) (note.Signer, error) {
	private, err := readFile(path, maxNote)
	if err != nil {
		return nil, err
	}
	return signerOf(nhi.NewSecret(string(bytes.TrimSpace(private))), public)
}

// Commit adds records to the memory and signs its new head: all of them or
// none, also after a crash. Without records it signs the old head with a new
// time.
func (d *Disk) Commit(records []Record, now time.Time) error {
	memory := d.Memory.clone()
	var added bytes.Buffer
	for _, record := range records {
		data, err := record.encode()
		if err != nil {
			return err
		}
		added.Write(data)
		added.WriteByte('\n')
		if err := memory.add(record); err != nil {
			return err
		}
	}
	head, err := memory.tree.head(memory.tree.size)
	if err != nil {
		return err
	}
	checkpoint, err := Checkpoint{Ledger: memory.ledger, Size: memory.tree.size, Head: head, Time: now}.sign(d.signer)
	if err != nil {
		return err
	}
	// As whoever opens it next will check it.
	if checkpoint, err = memory.confirm(checkpoint.Note, memory.Key()); err != nil {
		return err
	}
	if err := appendAt(filepath.Join(d.path, logName), d.size, added.Bytes()); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(d.path, checkpointName), []byte(checkpoint.Note), fileMode); err != nil {
		return err
	}
	d.Memory, d.Checkpoint, d.size = memory, checkpoint, d.size+int64(added.Len())
	return nil
}

// Rotate makes a new key and signs with it from now on. The old key vouches for
// the new one in the memory, and is deleted.
func (d *Disk) Rotate(now time.Time) error {
	private, public, err := generateKey(d.Memory.ledger)
	if err != nil {
		return err
	}
	signer, err := signerOf(private, public)
	if err != nil {
		return err
	}
	vouch, err := note.Sign(&note.Note{Text: vouchText(d.Memory.ledger, d.Memory.tree.size, public)}, d.signer)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	next := filepath.Join(d.path, nextKeyName)
	if err := durable.WriteFile(next, []byte(private.Reveal()+"\n"), fileMode); err != nil {
		return err
	}
	old := d.signer
	d.signer = signer
	if err := d.Commit([]Record{{Kind: KindKey, Time: now, Key: public, Vouch: string(vouch)}}, now); err != nil {
		d.signer = old
		return err
	}
	return errors.Join(os.Rename(next, filepath.Join(d.path, keyName)), durable.SyncFolder(d.path))
}

// Close lets other processes in.
func (d *Disk) Close() error { return d.lock.Close() }
