package cli

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
)

// maxState bounds a Terraform state file, in bytes.
const maxState = 256 << 20

// stateFile is what is read of a Terraform state.
type stateFile struct {
	Version   int `json:"version"`
	Resources []struct {
		Module    string `json:"module"`
		Mode      string `json:"mode"`
		Type      string `json:"type"`
		Name      string `json:"name"`
		Instances []struct {
			IndexKey any    `json:"index_key"`
			Private  string `json:"private"`
		} `json:"instances"`
	} `json:"resources"`
}

// states reads Terraform states and notes how far each chain reached when they
// were written. A grant without a memory says nothing, and is told.
func (v *audit) states(paths []string) error {
	for _, path := range paths {
		data, err := readFile(path, maxState)
		if err != nil {
			return err
		}
		var state stateFile
		const format = 4
		if err := json.Unmarshal(data, &state); err != nil || state.Version != format {
			return usage("%s is no Terraform state of version %d: `terraform state pull` writes one", path, format)
		}
		for _, resource := range state.Resources {
			if resource.Mode != "managed" || resource.Type != "nhi_grant" {
				continue
			}
			for _, instance := range resource.Instances {
				by := fmt.Sprintf("%s (nhi_grant.%s)", path, resource.Name)
				record, err := remembered(instance.Private)
				if err != nil {
					v.note(by, 0, "its private state says nothing: %s", err)
					continue
				}
				v.remembers(by, record)
			}
		}
	}
	return nil
}

// remembered reads the record that the provider keeps in private state.
func remembered(private string) (lifecycle.Record, error) {
	data, err := base64.StdEncoding.DecodeString(private)
	if err != nil {
		return lifecycle.Record{}, err
	}
	var keys map[string][]byte
	if err := json.Unmarshal(data, &keys); err != nil {
		return lifecycle.Record{}, err
	}
	var memory struct {
		Record lifecycle.Record `json:"record"`
	}
	if err := json.Unmarshal(keys["nhi"], &memory); err != nil {
		return lifecycle.Record{}, err
	}
	return memory.Record, nil
}

// remembers notes what a record says of chains.
func (v *audit) remembers(by string, record lifecycle.Record) {
	switch record.Ledger {
	case "": // no ledger was ever read
		return
	case v.book.ID():
	default:
		v.fault(by, 0, "it remembers %s in ledger %s, and this is ledger %s", record.Grant, record.Ledger, v.book.ID())
		return
	}
	v.seen = append(v.seen, sighting{by, ledger.GrantChain(record.Grant), record.Head, record.Base})
	for _, name := range slices.Sorted(maps.Keys(record.Heads)) {
		v.seen = append(v.seen, sighting{by, name, record.Heads[name], record.Base})
	}
}
