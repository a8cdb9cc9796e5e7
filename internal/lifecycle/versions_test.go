package lifecycle

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestTwoVersionsOnOneLedger: who uses nothing new writes nothing that the
// release before this one does not read; what a newer release writes is for
// TestTampering ("an entry of a newer release").
func TestTwoVersionsOnOneLedger(t *testing.T) {
	t.Parallel()
	before := []string{"root@1", "policy@1", "identity@1", "request@1", "decision@1", "intent@1", "intent@2", "effect@1",
		"verification@1", "use@1", "block@1", "lift@1", "withdrawal@1", "observation@1", "holder@1"}
	w := newMemoryWorld(t)
	text, known := w.active(w.three())
	known = w.look(text, known, true).Record
	_, err := w.run(nil).Repair(t.Context(), known)
	must(t, err)
	removal, err := w.run(nil).Revoke(t.Context(), known, ReasonDestroyed)
	must(t, err)
	names, err := w.book.Chains(t.Context(), "")
	must(t, err)
	for _, name := range names {
		chain, err := w.book.Read(t.Context(), name)
		must(t, err)
		if name == ledger.RootChain && len(chain.Entries) != 1 {
			t.Errorf("the root chain has %d entries, and the release before this one opens no ledger with more than one", len(chain.Entries))
		}
		for _, entry := range chain.Entries {
			if !slices.Contains(before, entry.Body.Type()) {
				t.Errorf("%s entry %d is of type %s", name, entry.Seq, entry.Body.Type())
			}
		}
	}
	data, err := json.Marshal(removal.Record)
	must(t, err)
	if strings.Contains(string(data), `"base"`) {
		t.Errorf("private state names a base that there is not: %s", data)
	}
}

// A memory that an older release wrote knows of no base, and what it saw is
// excused as what was seen before every base.
func TestMemoryOfAnOlderRelease(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, _ := w.active(w.three())
	backup := w.memory.Copy()
	w.record(ledger.GrantChain(etlGrant), ledger.HolderBody{Holder: "x", Activation: 1})
	seen := w.look(text, Record{Grant: etlGrant}, true).Record
	data, err := json.Marshal(seen)
	must(t, err)
	var known Record
	must(t, json.Unmarshal(data, &known))
	delete(known.Heads, ledger.RootChain) // it did not remember the root's
	w.restore(backup)
	w.rebase("root")
	if view := w.look(text, known, true); !warned(view, ErrRestored) || view.Status != Active || view.Record.Heads[ledger.RootChain] == (nhi.Head{}) {
		t.Errorf("%s, %v", view.Status, view.Warnings)
	}
}
