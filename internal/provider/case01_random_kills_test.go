package provider_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// roundsVariable says how often TestCase01KilledAtRandom kills Terraform:
// make killtest sets it.
const roundsVariable = "NHI_KILL_ROUNDS"

// What one round creates: grants, and accesses of each.
const (
	killedGrants   = 30
	killedAccesses = 10
)

// tally is what a campaign has found, by asking the targets.
type tally struct {
	mu                                sync.Mutex
	kills, orphans, duplicates, lost  int
	stateKept, stateLost, stateBroken int
}

// TestCase01KilledAtRandom: three hundred accesses are being created, each with
// a delay of 200 ms before each effect, and Terraform alone is killed (SIGKILL)
// at a random moment. The next apply, which meets the provider that is left over,
// adopts everything, whether the state file survived or not: no duplicate, no
// orphan, nothing lost, and nobody is asked again.
func TestCase01KilledAtRandom(t *testing.T) {
	t.Parallel()
	_, _, _ = testserver.SSHD(t, testserver.SSHDOptions{}), testserver.Postgres(t), testserver.Vault(t) // or skipped as a whole
	rounds := 2
	if text := os.Getenv(roundsVariable); text != "" {
		var err error
		rounds, err = strconv.Atoi(text)
		must(t, err)
	}
	const lanes = 2
	all := &tally{}
	t.Run("lanes", func(t *testing.T) {
		for first := range lanes {
			t.Run(strconv.Itoa(first), func(t *testing.T) {
				t.Parallel()
				l := &lane{landscape: newLandscape(t, false)}
				l.ledgerBook = l.book()
				scope := l.scope
				for round := first; round < rounds; round += lanes {
					l.scope = fmt.Sprintf("%s-%d", scope, round)
					l.killedRound(round, all)
				}
			})
		}
	})
	t.Logf("the state was kept %d times, removed %d times, and broken by the kill %d times", all.stateKept, all.stateLost, all.stateBroken)
	fmt.Printf("kills %d, orphans %d, duplicates %d, lost %d\n", all.kills, all.orphans, all.duplicates, all.lost)
	if all.orphans+all.duplicates+all.lost > 0 || all.kills != rounds {
		t.Errorf("%d rounds, and the last line above", rounds)
	}
}

// lane is a landscape in which one round follows the other.
type lane struct {
	*landscape
	ledgerBook *ledger.Ledger // opened once: it is asked thousands of times
}

// chain reads one chain.
func (l *lane) chain(name string) ledger.Chain {
	l.t.Helper()
	chain, err := l.ledgerBook.Read(context.Background(), name)
	must(l.t, err)
	return chain
}

// manyAccesses is a configuration of many grants with many accesses each.
func (l *landscape) manyAccesses() string {
	var access strings.Builder
	for i := range killedAccesses - 1 {
		access.WriteString(strings.Replace(l.dbAccess(), "db =", fmt.Sprintf("db%d =", i), 1))
	}
	access.WriteString(l.boxAccess())
	return l.providerBlock(l.systems()) + variables + strings.NewReplacer(
		`"etl" {`, fmt.Sprintf("\"etl\" {\n  count = %d", killedGrants), `"orders-etl"`, `"job-${count.index}"`,
		"justification =", "on_pending    = \"error\"\n  justification =",
		"nhi_identity.etl.", "nhi_identity.etl[count.index].", "nhi_approval.etl.", "nhi_approval.etl[count.index].",
		"nhi_grant.etl.active", "length([for g in nhi_grant.etl : g if g.active])").Replace(grantOf("720h", access.String()))
}

// killedRound asks for many accesses of a scope of its own, has them approved,
// kills the apply that creates them, and holds what the next one makes of it
// against the ledger.
func (l *lane) killedRound(round int, all *tally) {
	t := l.t
	t.Helper()
	started := time.Now()
	l.loseState()
	l.Write(t, "main.tf", l.manyAccesses())
	wants(t, l.Apply(t, "-parallelism=30"), 1, "Not approved") // asked for
	asked := time.Since(started)
	var ids []nhi.ApprovalID
	approve := []string{"approve", "--yes"}
	for i := range killedGrants {
		ids = append(ids, nhi.ApprovalID(fmt.Sprintf("production/%s/job-%d:default", l.scope, i)))
		approve = append(approve, string(ids[i]))
	}
	for _, person := range []string{ana, ben} {
		wants(t, l.tool(append(approve, "--key", l.keyFile(person))...), 0)
	}
	moment := l.killAtRandom(ids)
	killed := time.Since(started)
	if round%2 == 0 {
		l.loseState()
	}
	applied := l.Apply(t, "-parallelism=30")
	broken := applied.Code != 0 && strings.Contains(applied.Text(), "Error loading state")
	if broken {
		l.loseState()
		applied = l.Apply(t, "-parallelism=30")
	}
	wants(t, applied, 0, fmt.Sprintf("active = %d", killedGrants))
	found := l.held(ids)
	t.Logf("round %d: killed %s: %d orphans, %d duplicates, %d lost (asked in %.0f s, killed at %.0f s, adopted at %.0f s)", round, moment,
		found.orphans, found.duplicates, found.lost, asked.Seconds(), killed.Seconds(), time.Since(started).Seconds())
	all.mu.Lock()
	defer all.mu.Unlock()
	all.kills++
	all.orphans, all.duplicates, all.lost = all.orphans+found.orphans, all.duplicates+found.duplicates, all.lost+found.lost
	switch {
	case round%2 == 0:
		all.stateLost++
	case broken:
		all.stateBroken++
	default:
		all.stateKept++
	}
}

// killAtRandom kills the Terraform of an apply at a random moment of its work:
// between the first intent and the last accesses, wherever that is in time on a
// busy machine. It says how far the work was.
func (l *lane) killAtRandom(ids []nhi.ApprovalID) string {
	t := l.t
	t.Helper()
	running := l.Start(t, "effect.prepare=delay(200ms);effect.enable=delay(200ms)",
		"apply", "-no-color", "-input=false", "-auto-approve", "-parallelism=30")
	const all = 2 * killedGrants * (killedAccesses - 1) // roles that are made, and that are enabled
	at := rand.IntN(all * 9 / 10)
	testserver.Wait(t, 3*time.Minute, fmt.Sprintf("%d of %d effects", at, all), func() bool {
		if running.Ended() {
			t.Fatalf("it ended: %s", running.Wait(time.Second).Stdout)
		}
		made, enabled := l.progress()
		return made+enabled >= max(at, 1) || at == 0 && slices.ContainsFunc(ids, func(id nhi.ApprovalID) bool { return len(l.chain(ledger.GrantChain(id)).Entries) > 0 })
	})
	time.Sleep(time.Duration(rand.Int64N(int64(200 * time.Millisecond)))) // between two effects
	running.KillCLI()
	made, enabled := l.progress()
	active := 0
	for _, id := range ids {
		if l.recordOf(id).Phase == lifecycle.PhaseActive {
			active++
		}
	}
	return fmt.Sprintf("with %d roles made and %d enabled, and %d grants active", made, enabled, active)
}

// progress counts the roles of this scope, and those of them that are members.
func (l *landscape) progress() (made, enabled int) {
	l.t.Helper()
	row := l.db.Query(`SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid))
		FROM pg_roles r WHERE shobj_description(oid, 'pg_authid') LIKE $1`, "nhi:1 "+l.ledger+" production/"+l.scope+"/%")[0]
	made, err := strconv.Atoi(row[0])
	must(l.t, err)
	enabled, err = strconv.Atoi(row[1])
	must(l.t, err)
	return made, enabled
}

// recordOf is what the ledger says of a grant.
func (l *lane) recordOf(id nhi.ApprovalID) lifecycle.Record {
	l.t.Helper()
	return lifecycle.Fold(id, l.chain(ledger.GrantChain(id)))
}

// rolesOfScope are the roles that carry the mark of a grant of this scope.
func (l *landscape) rolesOfScope() []nhi.Mark {
	l.t.Helper()
	var marks []nhi.Mark
	for _, row := range l.db.Query(`SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE $1`,
		"nhi:1 "+l.ledger+" production/"+l.scope+"/%") {
		mark, err := nhi.ParseMark(row[0])
		must(l.t, err)
		marks = append(marks, mark)
	}
	return marks
}

// held holds what the targets have of these grants against the ledger, and
// removes the roles by hand, so that the next round begins with none.
func (l *lane) held(ids []nhi.ApprovalID) *tally {
	t := l.t
	t.Helper()
	found, wanted := &tally{}, map[string]bool{} // by nonce
	for _, id := range ids {
		record := l.recordOf(id)
		if record.Phase != lifecycle.PhaseActive || len(record.Targets) != killedAccesses {
			t.Errorf("%s is %q with %d targets", id, record.Phase, len(record.Targets))
			found.lost++
		}
		for _, uses := range record.Uses {
			found.duplicates += uses - 1
		}
		for key, target := range record.Targets {
			if key != "box" {
				wanted[target.Nonce] = true
			}
		}
		if asked := len(l.chain(ledger.ApprovalChain(id)).Entries); asked != 3 {
			t.Errorf("%s: %d entries on the approval's chain, want the request and two decisions", id, asked)
		}
		l.certificatesOf(id, record, found)
	}
	places := map[string]int{}
	for _, mark := range l.rolesOfScope() {
		if !wanted[mark.Nonce] {
			found.orphans++
		}
		delete(wanted, mark.Nonce)
		places[string(mark.Grant)+" "+mark.Target]++
	}
	for n := range maps.Values(places) {
		found.duplicates += n - 1
	}
	found.lost += len(wanted)
	l.db.Exec(fmt.Sprintf(`DO $$ DECLARE r name; BEGIN
FOR r IN SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE 'nhi:1 %s production/%s/%%' LOOP EXECUTE format('DROP ROLE %%I', r); END LOOP; END $$`, l.ledger, l.scope))
	return found
}

// certificatesOf tries the certificates that were signed for a grant: those in
// force let in, and no other does. Of those in force one in ten is tried.
func (l *lane) certificatesOf(id nhi.ApprovalID, record lifecycle.Record, found *tally) {
	l.t.Helper()
	current := record.Targets["box"].Evidence
	for _, entry := range l.chain(ledger.GrantChain(id)).Entries {
		effect, ok := entry.Body.(ledger.EffectBody)
		if old := effect.Targets["box"].Evidence; ok && old != "" && old != current && l.sshWorks(old) {
			found.orphans++
		}
	}
	if current == "" || strings.HasSuffix(string(id), "0:default") && !l.sshWorks(current) {
		found.lost++
	}
}
