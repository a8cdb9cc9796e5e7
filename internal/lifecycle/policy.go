package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// ErrPolicy wraps every reason for which no policy can be relied on: then
// everything is denied.
var ErrPolicy = errors.New("no policy can be relied on")

// maxPolicyFile bounds the policy file and its signatures, in bytes.
const maxPolicyFile = 1 << 20

// signedPolicy is a policy with the signatures over its exact bytes.
type signedPolicy struct {
	source, signatures string
	document           *policy.Document
}

// PolicyFromFile reads, verifies and parses the policy file alone: no clock
// and no other entry of the ledger than its root. Plans rest on it.
func (e *Engine) PolicyFromFile() (*policy.Document, error) {
	signed, err := e.policyFile()
	if err != nil {
		return nil, err
	}
	if signed == nil {
		return nil, fmt.Errorf("policy_file is not set: %w", ErrPolicy)
	}
	return signed.document, nil
}

func (e *Engine) policyFile() (*signedPolicy, error) {
	root, err := e.Root()
	if err != nil && e.PolicyFile != "" {
		return nil, fmt.Errorf("%w: %w", err, ErrPolicy)
	}
	return e.policyFileUnder(root)
}

// policyFileUnder reads the policy file, which a root must have signed.
func (e *Engine) policyFileUnder(root nhi.Root) (*signedPolicy, error) {
	if e.PolicyFile == "" {
		return nil, nil //nolint:nilnil // no file is no error: the ledger may hold the policy
	}
	source, err := readBounded(e.PolicyFile, maxPolicyFile)
	if err != nil {
		return nil, fmt.Errorf("policy: %w: %w", err, ErrPolicy)
	}
	signatures, err := readBounded(e.PolicyFile+".sig", maxPolicyFile)
	if err != nil {
		return nil, fmt.Errorf("policy signatures: %w: %w", err, ErrPolicy)
	}
	return e.trustPolicyUnder(root, string(source), string(signatures))
}

func (e *Engine) trustPolicy(source, signatures string) (*signedPolicy, error) {
	root, err := e.Root()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrPolicy)
	}
	return e.trustPolicyUnder(root, source, signatures)
}

// trustPolicyUnder verifies signatures before it parses, and the ledger's id
// after.
func (e *Engine) trustPolicyUnder(root nhi.Root, source, signatures string) (*signedPolicy, error) {
	if err := policy.VerifySignatures([]byte(source), []byte(signatures), root); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrPolicy)
	}
	document, err := policy.Parse([]byte(source))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrPolicy)
	}
	book, err := e.Book()
	if err != nil {
		return nil, err
	}
	if document.Ledger != book.ID() {
		return nil, fmt.Errorf("the policy is for ledger %s, and this is ledger %s: %w", document.Ledger, book.ID(), ErrPolicy)
	}
	return &signedPolicy{source: source, signatures: signatures, document: document}, nil
}

// PolicyInForce returns the policy that decides now, with the end of the
// policy chain: the newer of file and ledger, both verified. A file older than
// what the ledger has seen, or of the same version with other bytes, is
// ErrPolicy. PublishPolicy appends a newer file to the chain.
func (e *Engine) PolicyInForce(ctx context.Context) (*policy.Document, nhi.Head, error) {
	signed, chain, err := e.policyInForce(ctx)
	if err != nil {
		return nil, nhi.Head{}, err
	}
	return signed.document, chain.Head(), nil
}

func (e *Engine) policyInForce(ctx context.Context) (*signedPolicy, ledger.Chain, error) {
	file, err := e.policyFile()
	if err != nil {
		return nil, ledger.Chain{}, err
	}
	recorded, err := e.policyRecorded(ctx)
	chain, version := recorded.chain, recorded.version
	switch {
	case err != nil:
		return nil, chain, err
	case file == nil && version == 0:
		return nil, chain, fmt.Errorf("policy_file is not set, and the ledger holds no policy: %w", ErrPolicy)
	case file == nil:
		return recorded.signed, chain, recorded.doubt
	case file.document.Version > version:
		return file, chain, nil
	case file.document.Version < version:
		return nil, chain, fmt.Errorf("%s is version %d, and the ledger has seen version %d: %w",
			e.PolicyFile, file.document.Version, version, ErrPolicy)
	case file.document.Digest != recorded.digest:
		return nil, chain, fmt.Errorf("%s is version %d with other bytes than the ledger has seen: %w",
			e.PolicyFile, file.document.Version, ErrPolicy)
	}
	return file, chain, nil
}

// recordedPolicy is the newest policy in the ledger; its version is 0 where
// there is none.
type recordedPolicy struct {
	chain   ledger.Chain
	version int
	digest  nhi.Digest
	signed  *signedPolicy
	doubt   error // why it cannot be relied on; nil where it can
}

// policyRecorded reads the policy chain. The same policy may stand there more
// than once, signed by one trust root and then by its successor.
func (e *Engine) policyRecorded(ctx context.Context) (recordedPolicy, error) {
	book, err := e.Book()
	if err != nil {
		return recordedPolicy{}, err
	}
	chain, err := book.Read(ctx, ledger.PolicyChain)
	if err != nil {
		return recordedPolicy{chain: chain}, fmt.Errorf("%w: %w", err, ErrPolicy)
	}
	newest := recordedPolicy{chain: chain}
	var copies []ledger.Entry
	for _, entry := range chain.Entries {
		body, ok := entry.Body.(ledger.PolicyBody)
		switch {
		case !ok || body.Version < newest.version:
		case body.Version > newest.version:
			newest.version, newest.digest, copies = body.Version, nhi.DigestOf(body.Document), []ledger.Entry{entry}
		case nhi.DigestOf(body.Document) == newest.digest: // the first one of a version is that version
			copies = append(copies, entry)
		}
	}
	for _, entry := range slices.Backward(copies) {
		if newest.signed, newest.doubt = e.trustRecorded(entry); newest.doubt == nil {
			break
		}
	}
	return newest, nil
}

// trustRecorded verifies one entry of the policy chain: also that its document
// is of the version that it says, so that no older one returns under a new number.
func (e *Engine) trustRecorded(entry ledger.Entry) (*signedPolicy, error) {
	body, _ := entry.Body.(ledger.PolicyBody)
	signed, err := e.trustPolicy(body.Document, body.Signatures)
	if err == nil && signed.document.Version != body.Version {
		err = fmt.Errorf("its document is version %d, and it says version %d: %w", signed.document.Version, body.Version, ErrPolicy)
	}
	if err != nil {
		return nil, fmt.Errorf("%s entry %d: %w", ledger.PolicyChain, entry.Seq, err)
	}
	return signed, nil
}

// PublishPolicy appends the policy file to the ledger where it is newer than
// what the ledger has seen, or the same, and only the file is signed by the
// trust root in force. Whoever was faster with the same one is no error.
func (e *Engine) PublishPolicy(ctx context.Context) error {
	file, err := e.policyFile()
	if err != nil || file == nil {
		return err
	}
	recorded, err := e.policyRecorded(ctx)
	if err != nil {
		return err
	}
	carried := recorded.doubt != nil && recorded.version == file.document.Version && recorded.digest == file.document.Digest
	if recorded.version >= file.document.Version && !carried {
		return nil
	}
	book, err := e.Book()
	if err != nil {
		return err
	}
	_, err = book.Append(ctx, recorded.chain, ledger.PolicyBody{
		Version: file.document.Version, Digest: file.document.Digest,
		Document: file.source, Signatures: file.signatures,
	})
	if errors.Is(err, ledger.ErrConflict) {
		return nil // the next read says whether it was this one
	}
	return err
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file: %w", path, fs.ErrInvalid) // a pipe would be waited for
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes: %w", path, limit, fs.ErrInvalid)
	}
	return data, nil
}
