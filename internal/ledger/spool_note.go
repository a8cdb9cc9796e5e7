package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// notesDir is the folder of a spool in which notes are.
const notesDir = "notes"

// maxNote bounds a note, in bytes.
const maxNote = maxRecord

// ErrNoted says that there is a note of that name already.
var ErrNoted = errors.New("noted already")

// NoteNew keeps data under a name that has no note yet: of many that try, one
// succeeds, and the others get ErrNoted. A note is this machine's own memory
// beside the records. It survives a crash, and Flush leaves it alone.
func (s *Spool) NoteNew(name string, data []byte) error {
	path, err := s.notePath(name)
	if err != nil {
		return err
	}
	if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	err = durable.CreateFile(path, data, recordMode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("spool: %s: %w", path, ErrNoted)
	}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Note replaces the note of a name: a reader sees the old one or the new one.
func (s *Spool) Note(name string, data []byte) error {
	path, err := s.notePath(name)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, data, recordMode); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Noted returns the note of a name; fs.ErrNotExist where there is none.
func (s *Spool) Noted(name string) (data []byte, err error) {
	path, err := s.notePath(name)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err = io.ReadAll(io.LimitReader(file, maxNote+1))
	if err == nil && len(data) > maxNote {
		err = fmt.Errorf("spool: %s is longer than %d bytes: %w", path, maxNote, nhi.ErrInvalid)
	}
	return data, err
}

// NoteGone removes the note of a name; none is no error.
func (s *Spool) NoteGone(name string) error {
	path, err := s.notePath(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// notePath returns the path of a note. Its name is one of letters and digits.
func (s *Spool) notePath(name string) (string, error) {
	if err := nhi.CheckLedgerID(s.ledger); err != nil {
		return "", fmt.Errorf("spool: %w", err)
	}
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return "", fmt.Errorf("spool: %.80q is no name of a note: %w", name, nhi.ErrInvalid)
		}
	}
	if name == "" {
		return "", fmt.Errorf("spool: a note needs a name: %w", nhi.ErrInvalid)
	}
	return filepath.Join(s.dir(), notesDir, name+spoolSuffix), nil
}
