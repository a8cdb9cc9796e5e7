package provider_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// jobs are grants of their own, each with a role and a certificate, called after
// the fault that will meet them.
func (l *landscape) jobs(names []string) string {
	return fmt.Sprintf(`
locals { jobs = toset(["%s"]) }
resource "nhi_identity" "job" {
  for_each = local.jobs
  name     = each.key
  owner    = "ana@example.com"
  purpose  = "Nightly export of orders"
  ttl      = "2160h"
}
resource "nhi_approval" "job" {
  for_each      = local.jobs
  subject       = nhi_identity.job[each.key].subject
  justification = "CHG-1234"
  ttl           = "720h"
  access = {
%s
  }
}
resource "nhi_grant" "job" {
  for_each = local.jobs
  ticket   = nhi_approval.job[each.key].ticket
}
output "active" { value = length([for g in nhi_grant.job : g if g.active]) }
`, strings.Join(names, `", "`), l.dbAccess()+l.boxAccess())
}

func (l *landscape) theJob(name string) nhi.ApprovalID {
	return nhi.ApprovalID(fmt.Sprintf("production/%s/%s:default", l.scope, name))
}

func target(name string) string { return fmt.Sprintf(`-target=nhi_grant.job[%q]`, name) }

// activeJobs is a landscape in which all jobs are active.
func activeJobs(t *testing.T, names []string) *landscape {
	t.Helper()
	l := newLandscape(t, false)
	l.configured()
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem()+l.sshSystem(l.probing(l.sshd)))+variables+l.jobs(names))
	wants(t, l.Apply(t), 0, "active = 0")
	approve := []string{"approve", "--yes"}
	for _, name := range names {
		approve = append(approve, string(l.theJob(name)))
	}
	for _, person := range []string{ana, ben} {
		wants(t, l.tool(append(slices.Clone(approve), "--key", l.keyFile(person))...), 0)
	}
	wants(t, l.Apply(t), 0, fmt.Sprintf("active = %d", len(names)))
	return l
}

// certificateOf is what was issued for a job.
func (l *landscape) certificateOf(name string) string {
	l.t.Helper()
	for _, entry := range l.chain(ledger.GrantChain(l.theJob(name))).Entries {
		if effect, ok := entry.Body.(ledger.EffectBody); ok && effect.Targets["box"].Evidence != "" {
			return effect.Targets["box"].Evidence
		}
	}
	l.t.Fatalf("job %s has no certificate", name)
	return ""
}

// wantEnded checks with the targets that nothing of these jobs works.
func (l *landscape) wantEnded(what string, certificates map[string]string, names ...string) {
	l.t.Helper()
	roles := l.roles()
	for _, name := range names {
		if slices.Contains(roles, nhi.Principal(l.theJob(name), "db")) {
			l.t.Errorf("%s, %s: the role is still there", what, name)
		}
		if l.sshWorks(certificates[name]) {
			l.t.Errorf("%s, %s: the certificate still lets in", what, name)
		}
	}
}

// chainFaults damage one chain that a job rests on.
func chainFaults(t *testing.T) map[string]func(l *landscape, id nhi.ApprovalID) {
	faults := map[string]func(l *landscape, id nhi.ApprovalID){
		"approval-edited": func(l *landscape, id nhi.ApprovalID) { l.tamper(ledger.ApprovalChain(id), tamperings(t)["edited"]) },
		"decision-forged": func(l *landscape, id nhi.ApprovalID) {
			signed := l.decision(nhi.VerdictApprove, id, ana)
			signed.Signature = l.decision(nhi.VerdictDeny, id, ben).Signature
			book, chain := l.book(), l.chain(ledger.ApprovalChain(id))
			_, err := book.Append(t.Context(), chain, ledger.DecisionBody{SignedDecision: signed})
			must(t, err)
		},
		"signature-stripped": func(l *landscape, id nhi.ApprovalID) { l.tamper(ledger.ApprovalChain(id), stripped(t)) },
		"identity-edited": func(l *landscape, id nhi.ApprovalID) {
			l.tamper(ledger.IdentityChain(id.Identity()), tamperings(t)["edited"])
		},
	}
	for name, change := range tamperings(t) {
		faults[name] = func(l *landscape, id nhi.ApprovalID) { l.tamper(ledger.GrantChain(id), change) }
	}
	return faults
}

// ledgerFaults damage what everything rests on, and are mended by what they
// return.
func ledgerFaults(t *testing.T) map[string]func(l *landscape) (mend func()) {
	pin := func(l *landscape) func() {
		before := l.Env
		l.Env = append(slices.Clone(l.Env), "NHI_TRUST_ROOT="+string(nhi.DigestOf("another root")))
		return func() { l.Env = before }
	}
	broken := func(chain string) func(l *landscape) func() {
		return func(l *landscape) func() {
			var kept [][]byte
			l.tamper(chain, func(e [][]byte) [][]byte {
				kept = slices.Clone(e)
				broken := bytes.Clone(e[0])
				broken[len(broken)/2] ^= 1
				return append([][]byte{broken}, e[1:]...)
			})
			return func() { l.tamper(chain, func([][]byte) [][]byte { return kept }) }
		}
	}
	without := func(files ...string) func(l *landscape) func() {
		return func(l *landscape) func() {
			for _, file := range files {
				must(t, os.Rename(filepath.Join(l.Dir, file), filepath.Join(l.Dir, "kept-"+filepath.Base(file))))
			}
			return func() {
				for _, file := range files {
					must(t, os.Rename(filepath.Join(l.Dir, "kept-"+filepath.Base(file)), filepath.Join(l.Dir, file)))
				}
			}
		}
	}
	return map[string]func(l *landscape) func(){
		"folder-gone":     without(".nhi"),
		"root-broken":     broken(ledger.RootChain),
		"policy-broken":   broken(ledger.PolicyChain),
		"root-not-pinned": pin,
		"policy-gone":     without("policy.hcl", "policy.hcl.sig"),
		"policy-unsigned": without("policy.hcl.sig"),
		"not-a-database": func(l *landscape) func() {
			mend := without(".nhi")(l)
			must(t, os.Mkdir(filepath.Join(l.Dir, ".nhi"), 0o700))
			l.Write(t, filepath.Join(".nhi", local.FileName), strings.Repeat("this is no database. ", 1000))
			return func() { must(t, os.RemoveAll(filepath.Join(l.Dir, ".nhi"))); mend() }
		},
		"refuses-to-write": func(l *landscape) func() {
			l.lockLedger()
			return func() {
				db := l.rawLedger()
				_, err := db.Exec("DROP TRIGGER full")
				must(t, err)
				must(t, db.Close())
			}
		},
		"clock-ahead": func(l *landscape) func() {
			l.advance(10 * 365 * 24 * time.Hour)
			return func() { l.advance(-10 * 365 * 24 * time.Hour) }
		},
		"clock-behind": func(l *landscape) func() { l.advance(-24 * time.Hour); return func() { l.advance(24 * time.Hour) } },
	}
}

// lockLedger makes the ledger refuse every new entry.
func (w *world) lockLedger() {
	w.t.Helper()
	db := w.rawLedger()
	_, err := db.Exec("CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'no space left'); END")
	must(w.t, err)
	must(w.t, db.Close())
}

// TestRemovalNeverWaits: whatever is wrong with ledger, policy, root or clock,
// destroy, expiry and nhi revoke still remove the access, and what they have
// done is recorded as soon as the ledger can take it.
func TestRemovalNeverWaits(t *testing.T) {
	t.Parallel()
	for verb, remove := range map[string]func(l *landscape, names []string){
		"destroy": func(l *landscape, names []string) {
			args := []string{}
			for _, name := range names {
				args = append(args, target(name))
			}
			wants(l.t, l.Destroy(l.t, args...), 0)
		},
		"expiry": func(l *landscape, names []string) {
			args := []string{}
			for _, name := range names {
				args = append(args, target(name))
			}
			planned := l.Plan(l.t, append(args, "-out=plan")...)
			wants(l.t, planned, 2)
			if arrows := strings.Count(planned.Stdout, `"expired" -> "revoked"`) + strings.Count(planned.Stdout, `"ended" -> "revoked"`); arrows < len(names) {
				l.t.Errorf("%v: %d arrows in %s", names, arrows, planned.Stdout)
			}
			wants(l.t, l.applySaved("plan"), 0)
		},
		"revoke": func(l *landscape, names []string) {
			args := []string{"revoke", "--yes", "--state", "terraform.tfstate"}
			for _, name := range names {
				args = append(args, string(l.theJob(name)))
			}
			result := l.NHI(l.t, args...)
			if result.Code != 0 && result.Code != 6 {
				l.t.Errorf("%v: %d %s", names, result.Code, result.Text())
			}
		},
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			onChains, onLedger := chainFaults(t), ledgerFaults(t)
			if verb == "expiry" { // a clock that is wrong says nothing about an end
				maps.DeleteFunc(onLedger, func(name string, _ func(*landscape) func()) bool {
					return !slices.Contains([]string{"folder-gone", "policy-unsigned", "refuses-to-write", "root-broken"}, name)
				})
			}
			chains, faults := slices.Sorted(maps.Keys(onChains)), slices.Sorted(maps.Keys(onLedger))
			l := activeJobs(t, append(slices.Clone(chains), faults...))
			certificates := map[string]string{}
			for _, name := range append(slices.Clone(chains), faults...) {
				certificates[name] = l.certificateOf(name)
			}
			if verb == "expiry" {
				l.advance(721 * time.Hour)
			}
			for _, name := range faults {
				mend := onLedger[name](l)
				remove(l, []string{name})
				mend()
				l.wantEnded(verb, certificates, name)
			}
			l.NHI(t, "sweep", "--revoke") // writes what waits
			for _, name := range faults {
				if name != "clock-ahead" { // its record is from the future
					l.wantRecorded(name)
				}
			}
			for _, name := range chains {
				onChains[name](l, l.theJob(name))
			}
			remove(l, chains)
			l.wantEnded(verb, certificates, chains...)
			if roles := l.roles(); len(roles) > 0 {
				t.Errorf("roles: %v", roles)
			}
		})
	}
}

// wantRecorded checks that the ledger says of a job that it is gone.
func (l *landscape) wantRecorded(name string) {
	l.t.Helper()
	entries := l.chain(ledger.GrantChain(l.theJob(name))).Entries
	last, ok := entries[len(entries)-1].Body.(ledger.VerificationBody)
	if !ok || last.Targets["db"].State != "absent" || last.Targets["box"].State != "absent" {
		l.t.Errorf("%s: the ledger's last word is %#v", name, entries[len(entries)-1].Body)
	}
}
