package builtin_test

import (
	"os"
	"slices"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// A channel is one folder and one line: every folder has its line, and every
// line a kind that is complete.
func TestAChannelIsOneFolderAndOneLine(t *testing.T) {
	t.Parallel()
	var names []string
	for _, kind := range builtin.All() {
		names = append(names, kind.Name)
		if nhi.CheckName(kind.Name) != nil && kind.Name != "hcp_terraform" || kind.Description == "" {
			t.Errorf("%q has no good name, or no description", kind.Name)
		}
		open, errs := channel.NewOpen(kind, nhi.Values{}, channel.Options{Getenv: func(string) string { return "" }})
		if len(errs) > 0 || open.Host == "" {
			t.Errorf("%s cannot be opened by its defaults: %v", kind.Name, errs)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("kinds are %q, want them sorted, each once", names)
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	folders := 0
	for _, entry := range entries {
		if entry.IsDir() && entry.Name() != "builtin" {
			folders++
		}
	}
	if folders != len(names) {
		t.Errorf("there are %d folders of channels, and %d lines", folders, len(names))
	}
}
