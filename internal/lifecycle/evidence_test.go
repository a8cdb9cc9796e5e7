package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func (w *world) evidence(grant nhi.ApprovalID) Evidence {
	w.t.Helper()
	before := len(w.log.having("write", "prepare", "enable", "revoke"))
	found := w.run(nil).Evidence(w.t.Context(), grant)
	if after := len(w.log.having("write", "prepare", "enable", "revoke")); after != before {
		w.t.Errorf("looking changed something: %q", w.log.all())
	}
	return found
}

// unreadable is what is said of a target whose system does not answer.
const unreadable = "two: " + "two: the fake fails on purpose"

func differs(found Evidence) string {
	var all []string
	for _, proof := range found.Targets {
		if proof.Differs != "" {
			all = append(all, proof.Key+": "+proof.Differs)
		}
	}
	return strings.Join(all, "; ")
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		happen  func(w *world, text string)
		gone    bool
		due     string
		differs string
	}{
		"active":         {func(*world, string) {}, false, "", ""},
		"the term ended": {func(w *world, _ string) { w.pass(24 * time.Hour) }, false, "the term ended 2030-01-11T12:00Z", ""},
		"added by hand": {func(w *world, _ string) {
			w.systems["two"].change(func(objects map[string]*object) {
				for _, o := range objects {
					o.privileges = append(o.privileges, "admin")
				}
			})
		}, false, "", "two: was not read back as active: role admin was added by hand"},
		"removed by hand": {func(w *world, _ string) {
			w.systems["two"].change(func(objects map[string]*object) { clear(objects) })
		}, false, "", "two: was not read back as active (absent)"},
		"unreachable": {func(w *world, _ string) { w.systems["two"].trip("read", fails, -1) }, false, "", unreadable},
		"revoked": {func(w *world, text string) {
			_, err := w.run(nil).Revoke(w.t.Context(), w.fold(text), "test")
			must(w.t, err)
		}, true, "", ""},
		"revoked, and there again": {func(w *world, text string) {
			two := w.systems["two"]
			left := *two.objects[w.fold(text).Targets["two"].Principal]
			_, err := w.run(nil).Revoke(w.t.Context(), w.fold(text), "test")
			must(w.t, err)
			two.change(func(objects map[string]*object) { objects[nhi.Principal(w.three().Approval, "two")] = &left })
		}, true, "", "two: is not gone: the probe was let in"},
		"revoked, and the name is taken": {func(w *world, text string) {
			_, err := w.run(nil).Revoke(w.t.Context(), w.fold(text), "test")
			must(w.t, err)
			w.systems["two"].change(func(objects map[string]*object) {
				objects[nhi.Principal(w.three().Approval, "two")] = &object{id: "x"}
			})
		}, true, "", "two: something else stands under its name"},
		"revoked, and not reachable": {func(w *world, text string) {
			_, err := w.run(nil).Revoke(w.t.Context(), w.fold(text), "test")
			must(w.t, err)
			w.systems["two"].trip("read", fails, -1)
		}, true, "", unreadable},
		"still open": {func(w *world, text string) {
			w.systems["two"].trip("revoke", fails, 1)
			_, err := w.run(nil).Revoke(w.t.Context(), w.fold(text), "test")
			wantError(w.t, err, nhi.ErrUnconfirmed)
		}, true, "a removal is not confirmed yet", "two: is not gone: the probe was let in"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, _ := w.active(w.three())
			c.happen(w, text)
			found := w.evidence(w.three().Approval)
			if len(found.Targets) != 3 || found.Targets[0].Gone != c.gone {
				t.Errorf("targets %+v", found.Targets)
			}
			if found.Err != nil || found.Due != c.due || differs(found) != c.differs {
				t.Errorf("due %q, differs %q, error %v", found.Due, differs(found), found.Err)
			}
			if found.OK() != (c.due == "" && c.differs == "") {
				t.Errorf("ok is %t", found.OK())
			}
		})
	}
}

func TestEvidenceOfABrokenChain(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	w.damageGrant(record)
	if found := w.evidence(record.Grant); found.OK() || found.Err == nil {
		t.Errorf("found %+v", found)
	}
}
