package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// emergencyMemory is what this machine remembers of an emergency, beside the
// spool: that it was used, and what it holds. It is on disk before the first
// effect.
type emergencyMemory struct {
	Emergency nhi.Digest `json:"emergency"`
	// Used says that every target was read back as active: the emergency is
	// used up, whatever became of it.
	Used   bool   `json:"used"`
	Record Record `json:"record"`
}

// errUsed says that this machine has begun, or used, an emergency.
var errUsed = errors.New("this emergency was used on this machine")

// noteName is the name of the note about an emergency.
func noteName(emergency nhi.Digest) string {
	_, digits, _ := strings.Cut(string(emergency), ":")
	return digits
}

func (e *Engine) spoolOf(ledgerID string) *ledger.Spool { return ledger.NewSpool(e.SpoolDir, ledgerID) }

// claimEmergency makes the emergency this machine's, once: nhi.ErrSpent where
// it was claimed before.
func (e *Engine) claimEmergency(memory emergencyMemory) error {
	data, err := json.Marshal(memory)
	if err != nil {
		return fmt.Errorf("emergency: %w", err)
	}
	err = e.spoolOf(memory.Record.Ledger).NoteNew(noteName(memory.Emergency), data)
	if !errors.Is(err, ledger.ErrNoted) {
		return err
	}
	known, err := e.recallEmergency(memory.Record.Ledger, memory.Emergency)
	switch {
	case err != nil:
		return err
	case known.Used:
		return fmt.Errorf("%w, and it serves once: %w", errUsed, nhi.ErrSpent)
	default:
		return fmt.Errorf("%w, and that was not finished: take back what was begun, with nhi emergency revoke: %w", errUsed, nhi.ErrSpent)
	}
}

// recallEmergency returns what this machine remembers; fs.ErrNotExist where it
// never began this emergency.
func (e *Engine) recallEmergency(ledgerID string, emergency nhi.Digest) (emergencyMemory, error) {
	var memory emergencyMemory
	data, err := e.spoolOf(ledgerID).Noted(noteName(emergency))
	if err != nil {
		return memory, err
	}
	if err := json.Unmarshal(data, &memory); err != nil || memory.Emergency != emergency {
		return memory, fmt.Errorf("what this machine remembers of the emergency cannot be read: %w", nhi.ErrInvalid)
	}
	return memory, nil
}

// rememberEmergency replaces what this machine remembers.
func (e *Engine) rememberEmergency(memory emergencyMemory) error {
	data, err := json.Marshal(memory)
	if err != nil {
		return fmt.Errorf("emergency: %w", err)
	}
	return e.spoolOf(memory.Record.Ledger).Note(noteName(memory.Emergency), data)
}

// settleEmergency remembers how an attempt ended. One that was undone,
// verified, used nothing up and is forgotten.
func (e *Engine) settleEmergency(memory emergencyMemory) error {
	if !memory.Used && !memory.Record.holds() {
		return e.spoolOf(memory.Record.Ledger).NoteGone(noteName(memory.Emergency))
	}
	return e.rememberEmergency(memory)
}

// notBegun says that an error means that this machine never began an emergency.
func notBegun(err error) bool { return errors.Is(err, fs.ErrNotExist) }
