package cli

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxState bounds a Terraform state file, in bytes.
const maxState = 256 << 20

// stateFormat is the version of the state format that Terraform and OpenTofu
// write since 0.12.
const stateFormat = 4

// state is what is read of a Terraform state.
type state struct {
	Version   int             `json:"version"`
	Encrypted string          `json:"encrypted_data"` // OpenTofu's
	Resources []stateResource `json:"resources"`
}

type stateResource struct {
	Mode      string          `json:"mode"`
	Type      string          `json:"type"`
	Name      string          `json:"name"`
	Instances []stateInstance `json:"instances"`
}

type stateInstance struct {
	Attributes struct {
		ID string `json:"id"`
	} `json:"attributes"`
	// Private is base64 of a JSON object, whose values are base64 again: what the
	// provider keeps, by key.
	Private string `json:"private"`
}

// keptKey is the key under which the provider keeps what it remembers.
const keptKey = "nhi"

// memory is what one resource of a state remembers of its grant.
type memory struct {
	from string // the file and the resource, for people
	lifecycle.Record
}

// memories read what Terraform states remember of grants. What of them cannot
// be used is in the notes, one line each. An unreadable file is nhi.ErrInvalid.
func memories(paths []string) (all []memory, notes []string, err error) {
	for _, path := range paths {
		data, err := readFile(path, maxState)
		if err != nil {
			return nil, nil, fmt.Errorf("--state: %w", err)
		}
		var read state
		err = json.Unmarshal(data, &read)
		switch {
		case err != nil:
			return nil, nil, usage("--state: %s is no Terraform state: %w", path, err)
		case read.Encrypted != "":
			return nil, nil, usage("--state: %s is encrypted: give what `tofu state pull` prints", path)
		case read.Version != stateFormat:
			return nil, nil, usage("--state: %s is a state of version %d, and %d is read here (give what `terraform state pull` prints)", path, read.Version, stateFormat)
		}
		for _, resource := range read.Resources {
			if resource.Mode != "managed" || resource.Type != "nhi_grant" {
				continue
			}
			for _, instance := range resource.Instances {
				record, err := instance.record()
				if err != nil {
					notes = append(notes, fmt.Sprintf("%s: nhi_grant.%s: %s", path, resource.Name, err))
					continue
				}
				all = append(all, memory{fmt.Sprintf("%s (nhi_grant.%s)", path, resource.Name), record})
			}
		}
	}
	return all, notes, nil
}

// record is what a nhi_grant remembers beside its state. It comes from a file
// that anybody may have written: every name in it is checked.
func (i stateInstance) record() (lifecycle.Record, error) {
	private, err := base64.StdEncoding.DecodeString(i.Private)
	if err != nil {
		return lifecycle.Record{}, fmt.Errorf("its private state cannot be read: %w", nhi.ErrInvalid)
	}
	var kept map[string][]byte
	var known struct {
		Record lifecycle.Record `json:"record"`
	}
	if json.Unmarshal(private, &kept) != nil || json.Unmarshal(kept[keptKey], &known) != nil {
		return lifecycle.Record{}, fmt.Errorf("its private state cannot be read: %w", nhi.ErrInvalid)
	}
	record := known.Record
	if _, err := nhi.ParseApprovalID(string(record.Grant)); err != nil {
		return record, err
	}
	if string(record.Grant) != i.Attributes.ID {
		return record, fmt.Errorf("its private state is about %s, and it is %.200q: %w", record.Grant, i.Attributes.ID, nhi.ErrInvalid)
	}
	if record.Ledger == "" && len(record.Targets) == 0 {
		return record, nil // no ledger was ever read, so nothing was ever granted
	}
	if err := nhi.CheckLedgerID(record.Ledger); err != nil {
		return record, fmt.Errorf("its private state names no ledger: %w", err)
	}
	for key := range record.Targets {
		if _, err := nhi.ParseMark(record.Account(key).Mark.String()); err != nil {
			return record, fmt.Errorf("its private state: target %.80q: %w", key, err)
		}
	}
	return record, nil
}
