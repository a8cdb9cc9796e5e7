package lifecycle

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

var noon = time.Date(2030, 1, 10, 12, 0, 0, 0, time.UTC)

// errDead is what an engine that was killed gets from everything.
var errDead = fmt.Errorf("this run was killed: %w", nhi.ErrUnreachable)

// life is one run: it can be killed after any step, or lose its ledger.
type life struct {
	mu sync.Mutex
	// steps counts entries written and calls that change a system.
	steps, killAfter int
	// writes counts entries alone; after loseAfter of them the ledger is gone,
	// with the answer to the last one where answerLost.
	writes, loseAfter int
	answerLost        bool
	down              bool // the ledger is away
	full              bool // the ledger can be read and not written
	forget, forgot    bool // the answer to this step is lost, or was
	deaf              int  // so many reads fail from now on
	// before and after are called around every step, without a lock held.
	before, after func(step string)
}

func (l *life) dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.killAfter > 0 && l.steps >= l.killAfter
}

// step carries out do as one step. The one after which the run is killed is
// carried out, and its answer never comes.
func (l *life) step(name string, do func() error) error {
	if l.dead() {
		return errDead
	}
	if l.before != nil {
		l.before(name)
	}
	l.mu.Lock()
	l.steps++
	l.mu.Unlock()
	err := do()
	if l.after != nil {
		l.after(name)
	}
	if l.dead() {
		return errDead
	}
	return err
}

// runStore is one run's connection to the world's store.
type runStore struct {
	ledger.Store
	life *life
	log  *journal
}

func (l *life) forgets() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	forget := l.forget
	l.forget = false
	return forget
}

func (s *runStore) away() error {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	if s.life.deaf > 0 && !s.life.forget {
		s.life.deaf--
		return errors.New("the store does not answer")
	}
	if s.life.down || s.life.loseAfter > 0 && s.life.writes >= s.life.loseAfter {
		return errors.New("the store is away")
	}
	return nil
}

// Create implements ledger.Store.
func (s *runStore) Create(ctx context.Context, key string, value []byte) error {
	if err := s.away(); err != nil {
		return err
	}
	if s.life.full {
		return errors.New("no space left on device")
	}
	kind := "?"
	if entry, err := ledger.DecodeEntry(value); err == nil {
		kind = entry.Body.Type()
		if intent, ok := entry.Body.(ledger.IntentBody); ok {
			kind += " " + intent.Verb
		}
	}
	err := s.life.step("write "+kind, func() error {
		err := s.Store.Create(ctx, key, value)
		if err == nil {
			s.log.add("write %s", kind)
		}
		return err
	})
	if err == nil {
		s.life.mu.Lock()
		s.life.writes++
		s.life.mu.Unlock()
		if s.life.answerLost {
			return s.away()
		}
		if s.life.forgets() {
			return errors.New("the answer is lost")
		}
	}
	return err
}

// Get implements ledger.Store.
func (s *runStore) Get(ctx context.Context, key string) ([]byte, error) {
	if err := errors.Join(s.away(), s.alive()); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key)
}

// List implements ledger.Store.
func (s *runStore) List(ctx context.Context, prefix string) ([]string, error) {
	if err := errors.Join(s.away(), s.alive()); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, prefix)
}

// Now implements ledger.Store.
func (s *runStore) Now(ctx context.Context) (time.Time, error) {
	if err := errors.Join(s.away(), s.alive()); err != nil {
		return time.Time{}, err
	}
	return s.Store.Now(ctx)
}

func (s *runStore) alive() error {
	if s.life.dead() {
		return errDead
	}
	return nil
}

// Close implements ledger.Store: the world's store stays open.
func (s *runStore) Close() error { return nil }

// world is a ledger, a policy, people and systems.
type world struct {
	t       *testing.T
	store   ledger.Store
	memory  *storetest.Memory // where the store is in memory, to be tampered with
	book    *ledger.Ledger
	pin     nhi.Digest
	dir     string
	folder  string // of the ledger, where it is local
	log     *journal
	systems map[string]*fakeSystem
	name    string   // of the identity
	roots   []string // whose keys are in the trust root; two of them sign where there are more

	mu  sync.Mutex
	now time.Time
}

const (
	environment = "production"
	scope       = "payments/etl"
)

func signerOf(name string) ssh.Signer {
	seed := sha256.Sum256([]byte("nhi lifecycle test key " + name))
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return signer
}

func keyOf(name string) string { return signature.Key(signerOf(name).PublicKey()) }

// newWorld returns a world over a local ledger.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: noon, folder: filepath.Join(t.TempDir(), "ledger")}
	store, err := local.Open(w.folder, w.clock, false)
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return w.found(store)
}

// newMemoryWorld returns a world over a ledger in memory, which can be tampered
// with, and costs next to nothing.
func newMemoryWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: noon, memory: &storetest.Memory{}}
	w.memory.SetClock(w.clock)
	return w.found(w.memory)
}

func (w *world) found(store ledger.Store) *world {
	w.store, w.dir, w.log, w.name = store, w.t.TempDir(), &journal{}, "orders-etl"
	if w.roots == nil {
		w.roots = []string{"root"}
	}
	text, err := w.rootOf().Text()
	must(w.t, err)
	w.book, err = ledger.Create(w.t.Context(), &runStore{Store: store, life: &life{}, log: &journal{}}, ledger.RootBody{Root: text}, "test")
	must(w.t, err)
	w.pin = nhi.DigestOf(text)
	w.systems = map[string]*fakeSystem{}
	for _, name := range []string{"one", "two", "three", "card", "dark"} {
		w.systems[name] = &fakeSystem{name: name, log: w.log, objects: map[string]*object{}, issued: map[string]string{}, fixed: name == "card"}
	}
	w.policy(1)
	return w
}

// rootOf is the trust root of the world's roots.
func (w *world) rootOf() nhi.Root {
	root := nhi.Root{Version: 1, Threshold: min(2, len(w.roots))}
	for _, name := range w.roots {
		root.Keys = append(root.Keys, keyOf(name))
	}
	slices.Sort(root.Keys)
	return root
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// policyText is a policy: one of security approves, and in the sandbox nobody.
func (w *world) policyText(version int) string {
	return fmt.Sprintf(`ledger = %q
version = %d
expires = "2031-01-01T00:00:00Z"
activate_within = "168h"
approver "ana@example.com" {
  keys   = [%q]
  groups = ["security"]
}
approver "ben@example.com" {
  keys   = [%q]
  groups = ["security"]
}
approver "eve@example.com" {
  keys = [%q]
}
environment "production" {
  system "one" { fake = "one:1" }
  system "two" { fake = "two:1" }
  system "three" { fake = "three:1" }
  system "card" { fixed = "card:1" }
  system "dark" { blind = "dark:1" }
}
environment "sandbox" {
  system "one" { fake = "one:1" }
}
rule "all" {
  environments = ["production"]
  scopes       = ["**"]
  systems      = ["*"]
  max_ttl      = "720h"
  quorum "security" { count = 1 }
}
rule "sandbox" {
  environments = ["sandbox"]
  scopes       = ["**"]
  systems      = ["*"]
  max_ttl      = "24h"
  approval     = "no approval needed"
}
`, w.book.ID(), version, keyOf("ana"), keyOf("ben"), keyOf("eve"))
}

// policy writes and signs the policy file.
func (w *world) policy(version int, edits ...string) {
	w.t.Helper()
	text := strings.NewReplacer(edits...).Replace(w.policyText(version))
	w.writePolicy(text, "root")
}

func (w *world) writePolicy(text, signer string) {
	w.t.Helper()
	block, err := signature.Sign(signerOf(signer), signature.NamespacePolicy, text)
	must(w.t, err)
	if len(w.roots) > 1 {
		second, err := signature.Sign(signerOf(w.roots[1]), signature.NamespacePolicy, text)
		must(w.t, err)
		block += second
	}
	must(w.t, os.WriteFile(w.path("policy.hcl"), []byte(text), 0o600))
	must(w.t, os.WriteFile(w.path("policy.hcl.sig"), []byte(block), 0o600))
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// run returns the engine of a new run.
func (w *world) run(l *life) *Engine {
	if l == nil {
		l = &life{}
	}
	systems := NewSystems(w.fakeKinds(l))
	lives.Store(systems, l)
	for name, kind := range map[string]string{"one": "fake", "two": "fake", "three": "fake", "card": "fixed", "dark": "blind"} {
		must(w.t, systems.Add(name, kind, setting.Settings{Values: nhi.Values{"name": nhi.Text(name)}}))
	}
	return New(Config{
		OpenLedger: func(ctx context.Context) (*ledger.Ledger, error) {
			return ledger.Open(ctx, &runStore{Store: w.store, life: l, log: w.log}, "test")
		},
		PolicyFile: w.path("policy.hcl"), DecisionsDir: w.path("approvals"), SpoolDir: w.path("spool"),
		Pins:    func() ([]nhi.Digest, error) { return []nhi.Digest{w.pin}, nil },
		Systems: systems,
	})
}

// lives are the lives of all runs, by their systems.
var lives sync.Map

func lifeOf(e *Engine) *life {
	l, _ := lives.Load(e.Systems)
	return l.(*life)
}

// forgetful makes the ledger lose its answer once, to the first entry that is
// written as step.
func forgetful(w *world, e *Engine, step string) {
	l := lifeOf(e)
	l.after = func(done string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.forget = done == step && !l.forgot
		l.forgot = l.forgot || l.forget
	}
}

// killed returns an engine that is killed after so many steps. Its spool dies
// with it, as it would with the process before it could write there.
func (w *world) killed(after int) *Engine {
	e := w.run(&life{killAfter: after})
	e.SpoolDir = filepath.Join(w.t.TempDir(), "dead")
	return e
}

func (w *world) fakeKinds(l *life) []connector.Kind {
	kind := func(name string, open func(*fakeConnection) connector.Connector) connector.Kind {
		return connector.Kind{
			Name: name,
			Access: []setting.Field{
				{Name: "roles", Type: setting.Strings, Privilege: true}, {Name: "adopt", Late: true}, {Name: "on_revoke", Late: true},
			},
			Adopts: func(access nhi.Values) connector.Adoption {
				return connector.Adoption{Name: access.Text("adopt"), Disable: access.Text("on_revoke") == "disable"}
			},
			Privileges: func(access nhi.Values) []string { return access.Items("roles") },
			Credential: []setting.Field{{Name: "password", Secret: true}},
			Endpoint:   func(s setting.Settings) (string, error) { return s.Values.Text("name") + ":1", nil },
			Open: func(_ context.Context, s setting.Settings) (connector.Connector, error) {
				return open(&fakeConnection{w.systems[s.Values.Text("name")], l}), nil
			},
		}
	}
	plain := kind("fake", func(c *fakeConnection) connector.Connector { return c })
	fixed := kind("fixed", func(c *fakeConnection) connector.Connector { return c })
	fixed.Fixed = true
	blind := kind("blind", func(c *fakeConnection) connector.Connector { return blindConnection{c} })
	blind.Unobservable = true
	return []connector.Kind{plain, fixed, blind}
}

func access(system string, roles ...string) nhi.Access {
	kind := map[string]string{"card": "fixed", "dark": "blind"}[system]
	if kind == "" {
		kind = "fake"
	}
	return nhi.Access{System: system, Kind: kind, Endpoint: system + ":1", Settings: nhi.Values{"roles": nhi.List(roles...)}}
}

// adopting is an access that takes an account over.
func adopting(system, name, onRevoke string, roles ...string) nhi.Access {
	taken := access(system, roles...)
	taken.Settings["adopt"], taken.Settings["on_revoke"] = nhi.Text(name), nhi.Text(onRevoke)
	return taken
}

// request asks for accesses, which are keyed by their systems.
func (w *world) request(in string, accesses ...nhi.Access) nhi.Request {
	r := nhi.Request{
		Ledger: w.book.ID(), Approval: nhi.ApprovalID(in + "/" + scope + "/" + w.name + ":default"), Term: 1, Owner: "ana@example.com",
		Kind: nhi.KindService, Purpose: "Nightly export", TTL: 24 * time.Hour, Access: nhi.Accesses{},
	}
	for _, a := range accesses {
		r.Access[a.System] = a
	}
	return r
}

// three is what most tests ask for: a role on each of three systems.
func (w *world) three() nhi.Request {
	return w.request(environment, access("one", "reader", "writer"), access("two", "reader"), access("three", "reader"))
}

func textOf(t testing.TB, r nhi.Request) string {
	t.Helper()
	text, err := r.Text()
	must(t, err)
	return text
}

// ask records identity and request, the latter signed by eve, and returns the
// request's text.
func (w *world) ask(r nhi.Request) string {
	w.t.Helper()
	e, text := w.run(nil), textOf(w.t, r)
	w.identify(r, nhi.IdentityActive, time.Time{})
	block, err := signature.Sign(signerOf("eve"), signature.NamespaceRequest, text)
	must(w.t, err)
	must(w.t, e.RecordRequest(w.t.Context(), text, "CHG-1", Signed{SSH: block}))
	return text
}

func (w *world) identify(r nhi.Request, status nhi.IdentityStatus, end time.Time) {
	w.t.Helper()
	must(w.t, w.run(nil).RecordIdentity(w.t.Context(), nhi.Identity{
		ID: r.Identity(), Owner: r.Owner, Purpose: r.Purpose, Kind: r.Kind, Status: status, ExpiresAt: end,
	}))
}

// decide returns a person's signed verdict on a text.
func (w *world) decide(who string, verdict nhi.Verdict, text string) nhi.SignedDecision {
	w.t.Helper()
	request, err := nhi.ParseRequest(text)
	must(w.t, err)
	chain, err := w.book.Read(w.t.Context(), ledger.ApprovalChain(request.Approval))
	must(w.t, err)
	now := w.clock()
	decision := nhi.Decision{
		Verdict: verdict, Justification: "CHG-1", Requester: "eve@example.com", PolicyVersion: 1, PolicyDigest: nhi.DigestOf("policy"),
		SignedAt: now, ActivateBefore: now.Add(24 * time.Hour), NotAfter: now.Add(24*time.Hour + request.TTL), Head: chain.Head(), Request: text,
	}
	decided, err := decision.Text()
	must(w.t, err)
	list, err := nhi.DecisionList([]string{decided})
	must(w.t, err)
	block, err := signature.Sign(signerOf(who), signature.NamespaceDecision, list)
	must(w.t, err)
	return nhi.SignedDecision{Text: decided, List: list, Signature: block}
}

// record appends a body to a chain, as another run would.
func (w *world) record(chain string, bodies ...ledger.Body) {
	w.t.Helper()
	read, err := w.book.Read(w.t.Context(), chain)
	must(w.t, err)
	_, err = w.book.Append(w.t.Context(), read, bodies...)
	must(w.t, err)
}

// sign records a person's verdict.
func (w *world) sign(who string, verdict nhi.Verdict, text string) {
	w.t.Helper()
	request, err := nhi.ParseRequest(text)
	must(w.t, err)
	w.record(ledger.ApprovalChain(request.Approval), ledger.DecisionBody{SignedDecision: w.decide(who, verdict, text)})
}

// approved asks, and has ana approve.
func (w *world) approved(r nhi.Request) string {
	w.t.Helper()
	text := w.ask(r)
	w.sign("ana", nhi.VerdictApprove, text)
	return text
}

// activate activates, and wants that to work.
func (w *world) activate(text string) Record {
	w.t.Helper()
	record, err := w.run(nil).Activate(w.t.Context(), Ask{Text: text}, Record{})
	must(w.t, err)
	wantPhase(w.t, record, PhaseActive)
	return record
}

// active returns a grant that is active under the request.
func (w *world) active(r nhi.Request) (string, Record) {
	w.t.Helper()
	text := w.approved(r)
	return text, w.activate(text)
}

// look looks at the grant of a text as a plan does.
func (w *world) look(text string, known Record, live bool) View {
	w.t.Helper()
	return w.run(nil).Look(w.t.Context(), text, known, Wish{Request: nhi.DigestOf(text), Identity: nhi.IdentityActive}, live)
}

// fold is what the ledger says of the grant of a text.
func (w *world) fold(text string) Record {
	w.t.Helper()
	request, err := nhi.ParseRequest(text)
	must(w.t, err)
	chain, err := w.book.Read(w.t.Context(), ledger.GrantChain(request.Approval))
	must(w.t, err)
	return Fold(request.Approval, chain)
}

// holdings returns everything that all systems hold, as "system: roles".
func (w *world) holdings() []string {
	var all []string
	for name, system := range w.systems {
		system.mu.Lock()
		for _, o := range system.objects {
			all = append(all, name+": "+strings.Join(o.privileges, " "))
		}
		system.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

// known wants every object of ours to be on record: no access is forgotten.
func (w *world) known(text string) {
	w.t.Helper()
	record := w.fold(text)
	recorded := nonces(record.Targets)
	for name, system := range w.systems {
		system.mu.Lock()
		for principal, o := range system.objects {
			if mark, err := nhi.ParseMark(o.mark); err == nil && !recorded[mark.Nonce] {
				w.t.Errorf("%s on %s is forgotten (phase %q, journal %q)", principal, name, record.Phase, w.log.all())
			}
		}
		system.mu.Unlock()
	}
}

func (w *world) wantHoldings(want ...string) {
	w.t.Helper()
	if want == nil {
		want = []string{}
	}
	got := w.holdings()
	if got == nil {
		got = []string{}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("the systems hold %q, want %q", got, want)
	}
}

// wantThree wants what the request three gives, and nothing else.
func (w *world) wantThree() {
	w.t.Helper()
	w.wantHoldings("one: reader writer", "two: reader", "three: reader")
}

func wantPhase(t testing.TB, record Record, want Phase) {
	t.Helper()
	if record.Phase != want {
		t.Fatalf("phase is %q, want %q", record.Phase, want)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want one that is %v", err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	must(w.t, err)
	return string(data)
}

func (w *world) write(name, content string) {
	w.t.Helper()
	must(w.t, os.WriteFile(w.path(name), []byte(content), 0o600))
}
