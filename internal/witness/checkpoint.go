package witness

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxNote bounds a signed note, in bytes.
const maxNote = 4 << 10

// Checkpoint is the signed head of a memory.
type Checkpoint struct {
	Ledger string
	Size   int64     // how many records
	Head   tlog.Hash // of the tree of these records
	Time   time.Time // of the last look, by the witness's own clock
	Note   string    // the signed text itself
}

// origin names a memory in its notes, and is the name of its keys.
func origin(ledger string) string { return "nhi-witness/" + ledger }

const timeWord = "time "

func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n%s%s\n", origin(c.Ledger), c.Size, c.Head, timeWord, nhi.FormatTime(c.Time))
}

// sign returns the checkpoint with its note.
func (c Checkpoint) sign(signer note.Signer) (Checkpoint, error) {
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c.Note = string(signed)
	return c, nil
}

// parseCheckpoint reads the text of a note; ErrDamaged for any other.
func parseCheckpoint(text string) (Checkpoint, error) {
	wrong := fmt.Errorf("this is no checkpoint of a witness: %w", ErrDamaged)
	lines := strings.Split(text, "\n")
	const fields = 4
	if len(lines) != fields+1 {
		return Checkpoint{}, wrong
	}
	ledger, named := strings.CutPrefix(lines[0], origin(""))
	size, sizeErr := strconv.ParseInt(lines[1], 10, 64)
	head, headErr := tlog.ParseHash(lines[2])
	at, timed := strings.CutPrefix(lines[3], timeWord)
	moment, timeErr := nhi.ParseTime(at)
	if !named || !timed || sizeErr != nil || headErr != nil || timeErr != nil || nhi.CheckLedgerID(ledger) != nil {
		return Checkpoint{}, wrong
	}
	c := Checkpoint{Ledger: ledger, Size: size, Head: head, Time: moment}
	if size < 1 || c.text() != text {
		return Checkpoint{}, wrong
	}
	return c, nil
}

// openNote checks a note of one signature, under one of the keys, and returns
// its text; ErrDamaged for any other.
func openNote(signed string, keys ...string) (string, error) {
	if len(signed) > maxNote {
		return "", fmt.Errorf("a note of %d bytes: %w", len(signed), ErrDamaged)
	}
	verifiers := make([]note.Verifier, 0, len(keys))
	for _, key := range keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return "", fmt.Errorf("key %.100q: %w: %w", key, ErrDamaged, err)
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifiers...))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	again, err := note.Sign(&note.Note{Text: opened.Text, Sigs: opened.Sigs})
	if err != nil || len(opened.Sigs) != 1 || string(again) != signed {
		return "", fmt.Errorf("the note is not signed by one key of the witness: %w", ErrDamaged)
	}
	// The note's own parser takes more than one way to write a signature.
	if _, err := base64.StdEncoding.Strict().DecodeString(opened.Sigs[0].Base64); err != nil {
		return "", fmt.Errorf("the signature is not in canonical form: %w", ErrDamaged)
	}
	return opened.Text, nil
}

// vouchText is what the old key signs when another key takes its place. at is
// how many records there were.
func vouchText(ledger string, at int64, key string) string {
	return fmt.Sprintf("%s\nkey %s\nat %d\n", origin(ledger), key, at)
}
