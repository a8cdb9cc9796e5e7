package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// RequestSuffix ends the name of every request file.
const RequestSuffix = ".request"

// requestFormat names the format of a request file and its version, and
// wantedFormat that of one whose request is not on record: a plan asks for it.
const (
	requestFormat = "nhi request file 1"
	wantedFormat  = "nhi request file 2"
)

// Bounds of a request file, in bytes: a longer record of the grant is left out,
// since nobody needs it to decide.
const (
	maxRequestFile = 16 << 20
	maxGrantRecord = 2 << 20
)

// requestFile is what an approver needs on a machine that has no ledger: the
// chains that a decision rests on, whole, and the policy with its signatures.
// It is written as JSON in this order of fields, in one way. Nothing in it is
// believed before the pins, the signatures and the hashes were checked; that it
// was made from the newest record, nobody can tell from it.
type requestFile struct {
	Format     string           `json:"format"` // requestFormat or wantedFormat
	Ledger     string           `json:"ledger"`
	Approval   nhi.ApprovalID   `json:"approval"`
	Exported   time.Time        `json:"exported"`         // the ledger's time, in whole seconds
	Policy     string           `json:"policy"`           // the policy in force, every byte of it
	Signatures string           `json:"signatures"`       // over the policy, by holders of root keys
	Chains     []requestedChain `json:"chains"`           // root, identity, approval, and mostly grant
	Wanted     *wanted          `json:"wanted,omitempty"` // of wantedFormat

	path string // where it was read
}

// requestedChain is one chain of a request file.
type requestedChain struct {
	Name    string   `json:"name"`
	Head    nhi.Head `json:"head"`    // of the last entry; 0 and empty where there is none
	Entries []string `json:"entries"` // as the ledger stores them, from the first on
}

// errRequestFile says that a file is no request file of this version, or was
// changed since it was made.
var errRequestFile = fmt.Errorf("no good request file (%q): %w", requestFormat, nhi.ErrInvalid)

// isRequestFile says whether an argument names a request file. An approval's id
// always holds a colon and never a dot.
func isRequestFile(arg string) bool {
	if strings.HasSuffix(arg, RequestSuffix) {
		return true
	}
	if _, err := nhi.ParseApprovalID(arg); err == nil {
		return false
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}

// format is the one that a file like this has.
func (f requestFile) format() string {
	if f.Wanted != nil {
		return wantedFormat
	}
	return requestFormat
}

// encode returns the bytes of the file.
func (f requestFile) encode() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(f); err != nil {
		return nil, fmt.Errorf("request file: %w", err)
	}
	if out.Len() > maxRequestFile {
		return nil, wrong("%s: its record has %d bytes, and a request file holds %d at most", f.Approval, out.Len(), maxRequestFile)
	}
	return out.Bytes(), nil
}

// readRequestFile reads a file and checks its form: what is not in the one way
// to write it is refused. Nothing is verified yet.
func readRequestFile(path string) (requestFile, error) {
	data, err := readFile(path, maxRequestFile)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return requestFile{}, usage("%w (an approval is IDENTITY:NAME)", err)
		}
		return requestFile{}, err
	}
	return parseRequestFile(path, data)
}

func parseRequestFile(path string, data []byte) (requestFile, error) {
	var file requestFile
	if err := json.Unmarshal(data, &file); err != nil {
		return requestFile{}, fmt.Errorf("%s: %w: %w", path, errRequestFile, err)
	}
	if file.Format != file.format() {
		return requestFile{}, fmt.Errorf("%s says that it is %.60q: %w", path, file.Format, errRequestFile)
	}
	again, err := file.encode()
	if err != nil {
		return requestFile{}, err
	}
	if !bytes.Equal(again, data) {
		return requestFile{}, fmt.Errorf("%s was changed since it was made, or is not whole: %w", path, errRequestFile)
	}
	if _, err := nhi.ParseApprovalID(string(file.Approval)); err != nil {
		return requestFile{}, fmt.Errorf("%s: %w: %w", path, errRequestFile, err)
	}
	if wish := file.Wanted; wish != nil {
		if err := nhi.CheckText(wish.Justification); err != nil {
			return requestFile{}, fmt.Errorf("%s: justification: %w: %w", path, errRequestFile, err)
		}
		if _, err := nhi.ParseRequest(wish.Text); err != nil {
			return requestFile{}, fmt.Errorf("%s: %w: %w", path, errRequestFile, err)
		}
	}
	file.path = path
	return file, nil
}

// whole says whether the record of the grant is in the file.
func (f requestFile) whole() bool {
	return slices.ContainsFunc(f.Chains, func(chain requestedChain) bool { return chain.Name == ledger.GrantChain(f.Approval) })
}

// excerpt returns the ledger of a request file, each chain with the very end
// that the file says it has.
func (f requestFile) excerpt(ctx context.Context, now func() time.Time, writer string) (*ledger.Ledger, error) {
	store := &ledger.Excerpt{Clock: now}
	for _, chain := range f.Chains {
		if err := store.Add(chain.Name, chain.Entries); err != nil {
			return nil, err
		}
	}
	book, err := ledger.Open(ctx, store, writer)
	if err != nil {
		return nil, err
	}
	if book.ID() != f.Ledger {
		return nil, fmt.Errorf("it says that it is of ledger %.40q, and holds entries of ledger %s: %w", f.Ledger, book.ID(), errRequestFile)
	}
	for _, chain := range f.Chains {
		read, err := book.Read(ctx, chain.Name)
		if err != nil {
			return nil, err
		}
		if read.Head() != chain.Head {
			return nil, fmt.Errorf("chain %s does not end as the file says: it was changed: %w", chain.Name, errRequestFile)
		}
	}
	return book, nil
}
