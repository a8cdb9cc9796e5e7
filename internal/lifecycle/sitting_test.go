package lifecycle

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func TestASittingSeesWhatStandingSees(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	engine, text := w.run(nil), w.ask(w.three())
	must(t, engine.PublishPolicy(t.Context()))
	sitting, err := engine.Sit(t.Context())
	must(t, err)
	same := func(want policy.Status) {
		t.Helper()
		one, err := engine.Standing(t.Context(), text)
		must(t, err)
		many, err := sitting.Standing(t.Context(), text)
		must(t, err)
		if many.Status != want || one.Status != want || !cmp.Equal(one.Verdict, many.Verdict) || !cmp.Equal(one.Heads, many.Heads) {
			t.Errorf("alone it is %s %v, in a sitting %s %v, want %s", one.Status, one.Heads, many.Status, many.Heads, want)
		}
	}
	same(policy.StatusPending)
	w.sign("ana", nhi.VerdictApprove, text) // the chains are read anew
	same(policy.StatusApproved)
	w.activate(text)
	same(Spent)
	w.policy(2)
	must(t, engine.PublishPolicy(t.Context()))
	many, err := sitting.Standing(t.Context(), text)
	must(t, err)
	if many.Policy.Version != 1 || sitting.Policy().Version != 1 {
		t.Errorf("the policy of the sitting is version %d", many.Policy.Version)
	}
	if _, err := sitting.Standing(t.Context(), "nonsense"); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("nonsense: %v", err)
	}
}

func TestASittingFailsClosed(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	engine, text := w.run(nil), w.approved(w.three())
	sitting, err := engine.Sit(t.Context())
	must(t, err)
	w.wantSitUnder(sitting, text)
	engine.PolicyFile = w.path("nowhere")
	if _, err := engine.Sit(t.Context()); !errors.Is(err, ErrPolicy) {
		t.Errorf("without a policy: %v", err)
	}
	engine.PolicyFile, engine.DecisionsDir = w.path("policy.hcl"), t.TempDir()
	must(t, os.WriteFile(engine.DecisionsDir+"/x"+DecisionSuffix, []byte("nonsense"), 0o600))
	if _, err := engine.Sit(t.Context()); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("with a decision that cannot be read: %v", err)
	}
}

// wantSitUnder holds where the policy that a sitting has is good for another one.
func (w *world) wantSitUnder(sitting *Sitting, text string) {
	t := w.t
	t.Helper()
	source, signatures := sitting.Source()
	again, err := w.run(nil).SitUnder(source, signatures)
	must(t, err)
	standing, err := again.Standing(t.Context(), text)
	must(t, err)
	if !standing.Approved() {
		t.Errorf("it is %s", standing.Status)
	}
	for words, forged := range map[string][2]string{
		"signed by 0 of the 1": {source + "\n", signatures},
		"needs":                {source, ""},
	} {
		if _, err := w.run(nil).SitUnder(forged[0], forged[1]); !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
	engine := w.run(nil)
	engine.Pins = func() ([]nhi.Digest, error) { return nil, nil }
	if _, err := engine.SitUnder(source, signatures); !errors.Is(err, ErrUntrusted) {
		t.Errorf("without a pin: %v", err)
	}
}
