package lifecycle

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var _ connector.Surveyor = (*fakeConnection)(nil)

// Survey implements connector.Surveyor: what carries no mark looks like a
// machine's.
func (c *fakeConnection) Survey(context.Context) ([]connector.Sighting, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meet != nil && c.meet("survey", "") != "" {
		return nil, errFake
	}
	var all []connector.Sighting
	for _, principal := range slices.Sorted(maps.Keys(c.objects)) {
		o := c.objects[principal]
		mark, _ := nhi.ParseMark(o.mark)
		all = append(all, connector.Sighting{Principal: principal, ID: o.id, Mark: mark, Privileges: o.privileges, Machine: o.mark == ""})
	}
	return all, nil
}

func (w *world) survey() Survey {
	w.t.Helper()
	found, err := w.run(nil).Survey(w.t.Context())
	must(w.t, err)
	return found
}

func whys(strays []Stray) []string {
	var all []string
	for _, stray := range strays {
		all = append(all, stray.Place.System+" "+stray.Principal+": "+stray.Why)
	}
	return all
}

func TestSurvey(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	if found := w.survey(); len(found.Orphans)+len(found.Elsewhere)+len(found.Unmanaged)+len(found.Missing) > 0 {
		t.Fatalf("found %+v", found)
	}
	mark := record.Account("one").Mark
	other, unknown, planted := mark, mark, mark
	other.Ledger = "ffffffffffffffffffffffffffffffff"
	unknown.Grant = "production/payments/etl/nobody:default"
	planted.Nonce = "ffffffffffffffffffffffffffffffff"
	w.systems["one"].change(func(objects map[string]*object) {
		objects["a-copy"] = &object{id: "x1", mark: mark.String()}
		objects["b-other"] = &object{id: "x2", mark: other.String()}
		objects["c-unknown"] = &object{id: "x3", mark: unknown.String()}
		objects["d-planted"] = &object{id: "x4", mark: planted.String()}
		objects["e-bare"] = &object{id: "x5"}
	})
	w.systems["two"].change(func(objects map[string]*object) {
		clear(objects)
		objects["f-moved"] = &object{id: "x6", mark: mark.String()}
	})
	found := w.survey()
	want := []string{
		"one a-copy: the mark is a copy: the ledger has it on " + record.Targets["one"].Principal + " (one-1)",
		"one c-unknown: the ledger knows no grant production/payments/etl/nobody:default",
		"one d-planted: the mark names production/payments/etl/orders-etl:default, and no run of this ledger made it",
		"two f-moved: the mark is a copy: the ledger has it on one:1",
	}
	if got := whys(found.Orphans); !slices.Equal(got, want) {
		t.Errorf("orphans %q\nwant %q", got, want)
	}
	if got := whys(found.Elsewhere); len(got) != 1 || got[0] != "one b-other: it carries the mark of ledger "+other.Ledger {
		t.Errorf("elsewhere %q", got)
	}
	if got := whys(found.Unmanaged); len(got) != 1 || got[0] != "one e-bare: nobody manages it here" {
		t.Errorf("unmanaged %q", got)
	}
	if len(found.Missing) != 1 || found.Missing[0].Target != "two" {
		t.Errorf("missing %+v", found.Missing)
	}

	// What was removed, and is there again, or still, is an orphan.
	left := *w.systems["three"].objects[record.Targets["three"].Principal]
	_, err := w.run(nil).Revoke(t.Context(), w.fold(text), "test")
	must(t, err)
	w.systems["three"].change(func(objects map[string]*object) { objects["again"] = &left })
	w.systems["one"].trip("survey", fails, -1)
	found = w.survey()
	if got := whys(found.Orphans); !slices.Contains(got, "three again: the ledger says that production/payments/etl/orders-etl:default was removed here") {
		t.Errorf("orphans %q", got)
	}
	if len(found.Unlisted) != 1 || found.Unlisted[0].System != "one" || found.Unlisted[0].Err == nil {
		t.Errorf("unlisted %+v", found.Unlisted)
	}
}
