package cli_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

const etl = nhi.ApprovalID("production/payments/etl/orders-etl:default")

// world is a folder that `nhi init` made, with people and their keys: ana, ben
// and cyd may approve, eve may only ask, and mal is in no policy.
type world struct {
	t    *testing.T
	dir  string
	keys string
	pins []nhi.Digest
	now  func() time.Time
	// kinds are the connectors; all that are built in where it is nil.
	kinds []connector.Kind

	mu     sync.Mutex
	passed time.Duration
}

// bare is a world without a ledger.
func bare(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), keys: t.TempDir()}
	w.now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return time.Date(2030, 1, 8, 9, 0, 0, 0, time.UTC).Add(w.passed)
	}
	for _, name := range []string{"root", "root2", "ana", "ben", "cyd", "eve", "mal"} {
		w.makeKey(name, "")
	}
	return w
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := bare(t)
	w.init()
	return w
}

func (w *world) pass(span time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed += span
}

// initArgs are those of an init for everybody.
func (w *world) initArgs(more ...string) []string {
	args := []string{"init", "--dir", w.dir, "--root-key", w.key("root"), "--scope", "payments/etl",
		"--approver", "ana@example.com=" + w.key("ana.pub"), "--approver", "ben@example.com=" + w.key("ben.pub"),
		"--approver", "cyd@example.com=" + w.key("cyd.pub"), "--requester", "eve@example.com=" + w.key("eve.pub"),
		"--system", "orders:postgres=db.internal:5432/orders", "--system", "bastion:ssh=SHA256:bastion"}
	return append(args, more...)
}

func (w *world) init() {
	w.t.Helper()
	var made struct{ Pin nhi.Digest }
	w.json(&made, w.initArgs()...)
	w.pins = append(w.pins, made.Pin)
}

// makeKey writes a key that follows from its name, as ssh-keygen does.
func (w *world) makeKey(name, passphrase string) {
	w.t.Helper()
	seed := sha256.Sum256([]byte("nhi cli test key " + name))
	private := ed25519.NewKeyFromSeed(seed[:])
	block, err := ssh.MarshalPrivateKey(private, name)
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, name, []byte(passphrase))
	}
	must(w.t, err)
	public, err := ssh.NewPublicKey(private.Public())
	must(w.t, err)
	w.write(w.key(name), string(pem.EncodeToMemory(block)))
	w.write(w.key(name+".pub"), string(ssh.MarshalAuthorizedKey(public)))
}

func (w *world) key(name string) string { return filepath.Join(w.keys, name) }

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(path, content string) {
	w.t.Helper()
	must(w.t, os.WriteFile(path, []byte(content), 0o600))
}

func (w *world) read(path string) string {
	w.t.Helper()
	data, err := os.ReadFile(path)
	must(w.t, err)
	return string(data)
}

// result is what one run printed and returned.
type result struct {
	code     int
	out, err string
}

// run runs a command with this world's configuration.
func (w *world) run(args ...string) result { return w.runAt(nil, args...) }

// runAt is run with a terminal.
func (w *world) runAt(terminal cli.Terminal, args ...string) result {
	w.t.Helper()
	if args[0] != "init" {
		args = append(args, "--config", w.path("nhi.hcl"))
	}
	var out, errs strings.Builder
	code := cli.Run(context.Background(), args, cli.Options{
		Version: "test", Out: &out, Err: &errs, Terminal: terminal, Now: w.now, Home: w.keys, Kinds: w.kinds, SpoolDir: filepath.Join(w.keys, "spool"),
		Pins: func() ([]nhi.Digest, error) {
			if len(w.pins) == 0 {
				return nil, lifecycle.ErrUntrusted
			}
			return w.pins, nil
		},
	})
	return result{code, out.String(), errs.String()}
}

// ok runs a command that must succeed, and returns what it printed.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	got := w.run(args...)
	if got.code != cli.ExitOK {
		w.t.Fatalf("nhi %s: exit %d\n%s%s", strings.Join(args, " "), got.code, got.out, got.err)
	}
	return got.out
}

// json runs a command with --json and reads its output.
func (w *world) json(into any, args ...string) {
	w.t.Helper()
	out := w.ok(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		w.t.Fatalf("%v in %s", err, out)
	}
}

// fails runs a command that must exit with code and say each of words.
func (w *world) fails(code int, words string, args ...string) result {
	w.t.Helper()
	return w.failed(w.run(args...), code, words, args...)
}

func (w *world) failed(got result, code int, words string, args ...string) result {
	w.t.Helper()
	if got.code != code || !strings.Contains(got.err, words) {
		w.t.Errorf("nhi %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got.code, code, words, got.out, got.err)
	}
	return got
}

func (w *world) engine() *lifecycle.Engine {
	engine := lifecycle.New(lifecycle.Config{
		OpenLedger: func(ctx context.Context) (*ledger.Ledger, error) {
			store, err := local.Open(w.path(".nhi"), w.now, true)
			if err != nil {
				return nil, err
			}
			return ledger.Open(ctx, store, "test")
		},
		PolicyFile: w.path("policy.hcl"), Systems: lifecycle.NewSystems(builtin.All()),
		Pins: func() ([]nhi.Digest, error) { return w.pins, nil },
	})
	w.t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func (w *world) book() *ledger.Ledger {
	w.t.Helper()
	book, err := w.engine().Book()
	must(w.t, err)
	return book
}

func (w *world) chain(name string) ledger.Chain {
	w.t.Helper()
	chain, err := w.book().Read(context.Background(), name)
	must(w.t, err)
	return chain
}

// request is what the tests ask for.
func (w *world) request(id nhi.ApprovalID, roles ...string) nhi.Request {
	if len(roles) == 0 {
		roles = []string{"orders_ro"}
	}
	return nhi.Request{
		Ledger: w.book().ID(), Approval: id, Term: 1, Owner: "ana@example.com", Kind: nhi.KindService,
		Purpose: "Nightly export of orders", TTL: 720 * time.Hour,
		Access: nhi.Accesses{"db": {System: "orders", Kind: "postgres", Endpoint: "db.internal:5432/orders",
			Settings: nhi.Values{"roles": nhi.List(roles...)}}},
	}
}

// ask records an identity and a request, signed by somebody, or by nobody.
func (w *world) ask(request nhi.Request, by string) string {
	w.t.Helper()
	engine, ctx := w.engine(), context.Background()
	must(w.t, engine.RecordIdentity(ctx, nhi.Identity{ID: request.Identity(), Owner: request.Owner,
		Purpose: request.Purpose, Kind: request.Kind, Status: nhi.IdentityActive}))
	text, err := request.Text()
	must(w.t, err)
	made := ""
	if by != "" {
		made, err = signature.Sign(w.signer(by), signature.NamespaceRequest, text)
		must(w.t, err)
	}
	must(w.t, engine.RecordRequest(ctx, text, "CHG-1234", lifecycle.Signed{SSH: made}))
	return text
}

func (w *world) signer(name string) ssh.Signer {
	w.t.Helper()
	signer, err := signature.LoadSigner(w.key(name), nil)
	must(w.t, err)
	return signer
}

// asked is a world in which eve has asked for one access.
func asked(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.ask(w.request(etl), "eve")
	return w
}

func (w *world) standing(text string) lifecycle.Standing {
	w.t.Helper()
	standing, err := w.engine().Standing(context.Background(), text)
	must(w.t, err)
	return standing
}

func (w *world) text(id nhi.ApprovalID) string {
	w.t.Helper()
	return w.ok("show", string(id), "--text")
}

// entries is how many entries the approval's chain has.
func (w *world) entries(id nhi.ApprovalID) int {
	w.t.Helper()
	return len(w.chain(ledger.ApprovalChain(id)).Entries)
}

// lock makes the ledger refuse every write.
func (w *world) lock() {
	w.t.Helper()
	w.sql("CREATE TRIGGER lock BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'locked by the test'); END")
}

func (w *world) sql(statements ...string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.path(".nhi"), local.FileName))
	must(w.t, err)
	defer func() { must(w.t, db.Close()) }()
	for _, statement := range statements {
		_, err := db.Exec(statement)
		must(w.t, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func approval(n int) nhi.ApprovalID {
	return nhi.ApprovalID(fmt.Sprintf("production/payments/etl/job-%03d:default", n))
}
