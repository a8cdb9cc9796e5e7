package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// DecisionSuffix ends the name of every decision file.
const DecisionSuffix = ".decision"

// maxDecisionFiles bounds the decisions folder.
const maxDecisionFiles = 10_000

// decisionFiles reads the decisions on one approval in the decisions folder. A
// missing folder holds none. A file that cannot be read or understood is
// an error: it may be a withdrawal.
func (e *Engine) decisionFiles(approval nhi.ApprovalID) ([]nhi.SignedDecision, error) {
	if e.DecisionsDir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(e.DecisionsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("decisions_dir: %w", err)
	}
	if len(entries) > maxDecisionFiles {
		return nil, fmt.Errorf("decisions_dir holds %d files, and %d is the most allowed: %w", len(entries), maxDecisionFiles, nhi.ErrInvalid)
	}
	var found []nhi.SignedDecision
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), DecisionSuffix) {
			continue
		}
		signed, about, err := ReadDecisionFile(filepath.Join(e.DecisionsDir, entry.Name()))
		if err != nil {
			return nil, err
		}
		if about == approval {
			found = append(found, signed)
		}
	}
	return found, nil
}

// ReadDecisionFile reads one decision file and says which approval it is about.
// Its signature is not verified yet.
func ReadDecisionFile(path string) (nhi.SignedDecision, nhi.ApprovalID, error) {
	data, err := readBounded(path, nhi.MaxTextBytes)
	if err != nil {
		return nhi.SignedDecision{}, "", fmt.Errorf("decision file: %w", err)
	}
	signed, err := nhi.ParseDecisionFile(data)
	if err != nil {
		return nhi.SignedDecision{}, "", fmt.Errorf("%s: %w", path, err)
	}
	decision, err := nhi.ParseDecision(signed.Text)
	if err != nil {
		return nhi.SignedDecision{}, "", fmt.Errorf("%s: %w", path, err)
	}
	request, err := nhi.ParseRequest(decision.Request)
	if err != nil {
		return nhi.SignedDecision{}, "", fmt.Errorf("%s: %w", path, err)
	}
	return signed, request.Approval, nil
}
