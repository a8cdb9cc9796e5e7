package provider_test

import (
	"fmt"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// arrow plans into a file and wants the one grant's status to go from one to
// the other: in the text with its arrow and the words given, with exit code 2,
// and in the plan's JSON. It returns what the plan says, and leaves the file.
func (w *world) arrow(from, to string, texts ...string) testserver.Result {
	w.t.Helper()
	planned := w.Plan(w.t, "-out=arrow.plan")
	wants(w.t, planned, 2, append([]string{fmt.Sprintf(`~ status = %q -> %q`, from, to)}, texts...)...)
	found := 0
	for _, change := range w.changes("arrow.plan", "nhi_grant") {
		before, _ := change["before"].(map[string]any)
		after, _ := change["after"].(map[string]any)
		if before["status"] == from && after["status"] == to {
			found++
		}
		if active := to == "active"; after["active"] != active && before["status"] == from {
			w.t.Errorf("the plan says %v, and active = %v", after["status"], after["active"])
		}
	}
	if found == 0 {
		w.t.Errorf("no grant goes from %s to %s in the plan's JSON", from, to)
	}
	return planned
}

// follow is arrow, then that very plan applied, then a plan that is empty.
func (w *world) follow(from, to string, texts ...string) {
	w.t.Helper()
	w.arrow(from, to, texts...)
	wants(w.t, w.applySaved("arrow.plan"), 0)
	wants(w.t, w.Plan(w.t), 0, "No changes")
}

// changes returns the changes of one type in a saved plan's JSON, but no-ops.
func (w *world) changes(plan, kind string) map[string]map[string]any {
	w.t.Helper()
	all, _ := w.Show(w.t, plan)["resource_changes"].([]any)
	found := map[string]map[string]any{}
	for _, each := range all {
		resource, _ := each.(map[string]any)
		change, _ := resource["change"].(map[string]any)
		if address, _ := resource["address"].(string); resource["type"] == kind && fmt.Sprint(change["actions"]) != "[no-op]" {
			found[address] = change
		}
	}
	return found
}

// edit replaces text in the configuration; what is not there is a mistake.
func (w *world) edit(old, replacement string) {
	w.t.Helper()
	text := w.read("main.tf")
	if !strings.Contains(text, old) {
		w.t.Fatalf("main.tf does not hold %q", old)
	}
	w.Write(w.t, "main.tf", strings.Replace(text, old, replacement, 1))
}
