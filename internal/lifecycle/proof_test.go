package lifecycle

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/source"
)

// An issuer that is away proves nothing, and is not waited for at each of the
// grants that a run looks at.
func TestAnIssuerThatIsAwayHoldsNothingUp(t *testing.T) {
	w, issuer := newMemoryWorld(t), testserver.Issuer(t)
	eve := fmt.Sprintf("approver \"eve@example.com\" {\n  workload \"CI\" {\n issuer = %q\n claim \"actor\" { values = [\"eve\"] }\n}\n", issuer.URL())
	w.policy(2, `approver "eve@example.com" {`, fmt.Sprintf("issuer %q {\n audiences = [\"nhi\"]\n}\n", issuer.URL())+eve)
	w.identify(w.three(), nhi.IdentityActive, time.Time{})
	text := textOf(t, w.three())
	at := w.clock()
	t.Setenv("NHI_TEST_REQUESTER", issuer.Token(map[string]any{"aud": "nhi", "actor": "eve", "iat": at.Unix(), "exp": at.Add(time.Hour).Unix()}))
	asking := w.run(nil)
	asking.Requester = source.Source{Env: "NHI_TEST_REQUESTER"}
	signed, err := asking.ProveRequest(t.Context(), text)
	must(t, err)
	must(t, asking.RecordRequest(t.Context(), text, "CHG-1", signed))
	standing, err := asking.Standing(t.Context(), text)
	must(t, err)
	if standing.Verdict.Requester != "eve@example.com" || standing.Verdict.ProvenBy != policy.ProvenByOIDC || standing.Verdict.Needs[0].Want != 1 {
		t.Fatalf("%+v", standing.Verdict)
	}
	var asked atomic.Int64
	issuer.Fault(func(http.ResponseWriter, *http.Request) bool {
		asked.Add(1)
		panic(http.ErrAbortHandler)
	})
	later := w.run(nil)
	for range 5 {
		standing, err := later.Standing(t.Context(), text)
		must(t, err)
		if standing.Verdict.Requester != "" || standing.Verdict.Needs[0].Want != 2 {
			t.Fatalf("%+v", standing.Verdict)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
	// The same request is not recorded again for another proof of the same kind.
	before := len(w.chainOf(text).Entries)
	must(t, asking.RecordRequest(t.Context(), text, "CHG-1", signed))
	if after := len(w.chainOf(text).Entries); after != before {
		t.Errorf("%d entries, and there were %d", after, before)
	}
	must(t, asking.RecordRequest(t.Context(), text, "CHG-1", Signed{}))
	if after := len(w.chainOf(text).Entries); after != before+1 {
		t.Error("a request without a proof is taken for one with")
	}
}

// A source that is slow to fail is not asked again at each of the requests that
// a run looks at: by the time that it failed, its answer must not be old.
func TestASlowSourceHoldsNothingUp(t *testing.T) {
	w, issuer := newMemoryWorld(t), testserver.Issuer(t)
	w.policy(2, `approver "eve@example.com" {`, fmt.Sprintf("issuer %q {\n audiences = [\"nhi\"]\n}\n", issuer.URL())+`approver "eve@example.com" {`)
	w.identify(w.three(), nhi.IdentityActive, time.Time{})
	text, at := textOf(t, w.three()), w.clock()
	t.Setenv("NHI_TEST_RUNNER", issuer.Token(map[string]any{"aud": "nhi", "iat": at.Unix(), "exp": at.Add(time.Hour).Unix()}))
	var asked atomic.Int64
	issuer.Fault(func(http.ResponseWriter, *http.Request) bool {
		asked.Add(1)
		w.pass(6 * time.Second) // it takes that long to fail
		panic(http.ErrAbortHandler)
	})
	run := w.run(nil)
	run.Runner = source.Source{Env: "NHI_TEST_RUNNER"}
	for range 5 {
		_, err := run.Standing(t.Context(), text)
		must(t, err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

// chainOf is the approval's chain of a request.
func (w *world) chainOf(text string) ledger.Chain {
	w.t.Helper()
	request, err := nhi.ParseRequest(text)
	must(w.t, err)
	chain, err := w.book.Read(w.t.Context(), ledger.ApprovalChain(request.Approval))
	must(w.t, err)
	return chain
}
