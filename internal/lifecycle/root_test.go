package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// rootOf returns a root of the named keys.
func rootOf(version, threshold int, names ...string) nhi.Root {
	root := nhi.Root{Version: version, Threshold: threshold}
	for _, name := range names {
		root.Keys = append(root.Keys, keyOf(name))
	}
	slices.Sort(root.Keys)
	return root
}

func rootText(t *testing.T, root nhi.Root) string {
	t.Helper()
	text, err := root.Text()
	must(t, err)
	return text
}

// sealed signs a text for a namespace by each name.
func sealed(t *testing.T, namespace, text string, names ...string) []string {
	t.Helper()
	blocks := []string{}
	for _, name := range names {
		block, err := signature.Sign(signerOf(name), namespace, text)
		must(t, err)
		blocks = append(blocks, block)
	}
	return blocks
}

// succession writes a root behind the one before it, past every check.
func (w *world) succession(root nhi.Root, signers ...string) nhi.Digest {
	w.t.Helper()
	text := rootText(w.t, root)
	w.record(ledger.RootChain, ledger.RootBody{Root: text, Signatures: sealed(w.t, signature.NamespaceRoot, text, signers...)})
	return nhi.DigestOf(text)
}

// resign signs the policy file anew.
func (w *world) resign(names ...string) {
	w.t.Helper()
	text := w.read("policy.hcl")
	w.write("policy.hcl.sig", strings.Join(sealed(w.t, signature.NamespacePolicy, text, names...), ""))
}

func TestRootIsFollowed(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	first := w.pin
	second := w.succession(rootOf(2, 2, "new1", "new2"), "root", "new1", "new2")
	third := w.succession(rootOf(3, 1, "new2", "new3"), "new1", "new2")
	for name, pin := range map[string]nhi.Digest{"the first": first, "the second": second, "the newest": third} {
		w.pin = pin
		trust, err := w.run(nil).Trust()
		must(t, err)
		if trust.Root.Version != 3 || trust.Seq != 3 {
			t.Errorf("%s is pinned: version %d is in force", name, trust.Root.Version)
		}
		if outdated := trust.Outdated(); (outdated == "") != (pin == third) || outdated != "" && !strings.Contains(outdated, string(third)) {
			t.Errorf("%s is pinned: %q", name, outdated)
		}
	}
	w.pin = nhi.DigestOf("another root")
	_, err := w.run(nil).Trust()
	wantError(t, err, ErrUntrusted)
}

// A successor that does not verify grants nothing, whatever follows it, and is
// named; access is removed all the same.
func TestRootSuccessors(t *testing.T) {
	t.Parallel()
	type bad struct {
		succeed func(w *world)
		seq     uint64
		words   string
	}
	blocks := func(w *world, root nhi.Root, blocks []string) {
		w.record(ledger.RootChain, ledger.RootBody{Root: rootText(w.t, root), Signatures: blocks})
	}
	for name, c := range map[string]bad{
		"not by the old keys": {func(w *world) { w.succession(rootOf(2, 1, "new1"), "new1") }, 2, "0 of the 1 keys that it needs of root version 1"},
		"not by the new keys": {func(w *world) { w.succession(rootOf(2, 1, "new1"), "root") }, 2, "0 of the 1 keys that it needs of root version 2"},
		"one new key too few": {func(w *world) { w.succession(rootOf(2, 2, "new1", "new2"), "root", "new1") }, 2, "1 of the 2 keys"},
		"a key counted twice": {func(w *world) { w.succession(rootOf(2, 2, "new1", "new2"), "root", "new1", "new1") }, 2, "has signed already"},
		"one old key too few": {func(w *world) {
			w.succession(rootOf(2, 2, "new1", "new2"), "root", "new1", "new2")
			w.succession(rootOf(3, 1, "new3"), "new1", "new3")
		}, 3, "1 of the 2 keys that it needs of root version 2"},
		"a stranger":       {func(w *world) { w.succession(rootOf(2, 1, "new1"), "root", "new1", "mal") }, 2, "no key of the trust root"},
		"no signature":     {func(w *world) { w.succession(rootOf(2, 1, "new1")) }, 2, "0 of the 1"},
		"version skipped":  {func(w *world) { w.succession(rootOf(3, 1, "new1"), "root", "new1") }, 2, "version 3 follows version 1"},
		"the same version": {func(w *world) { w.succession(rootOf(1, 1, "new1"), "root", "new1") }, 2, "version 1 follows version 1"},
		"a fork": {func(w *world) {
			w.succession(rootOf(2, 1, "new1"), "root", "new1")
			w.succession(rootOf(2, 1, "new2"), "root", "new2", "new1")
		}, 3, "version 2 follows version 2"},
		"the old one again": {func(w *world) {
			w.succession(rootOf(2, 1, "new1"), "root", "new1")
			w.succession(rootOf(1, 1, "root"), "root", "new1")
		}, 3, "version 1 follows version 2"},
		"another namespace": {func(w *world) {
			text := rootText(w.t, rootOf(2, 1, "new1"))
			blocks(w, rootOf(2, 1, "new1"), sealed(w.t, signature.NamespacePolicy, text, "root", "new1"))
		}, 2, `signature is for "nhi-policy@v1"`},
		"another text": {func(w *world) {
			text := rootText(w.t, rootOf(2, 1, "new2"))
			blocks(w, rootOf(2, 1, "new1"), sealed(w.t, signature.NamespaceRoot, text, "root", "new1"))
		}, 2, "does not match the text"},
		"no root":      {func(w *world) { w.record(ledger.RootChain, ledger.RootBody{Root: "nhi root 1\n"}) }, 2, "root"},
		"out of place": {func(w *world) { w.record(ledger.RootChain, ledger.BlockBody{}) }, 2, "has no place in this chain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, known := w.active(w.three())
			waiting := w.approved(w.request("sandbox", access("one", "reader")))
			c.succeed(w)
			e := w.run(nil)
			_, err := e.Trust()
			var fault *ledger.ChainError
			if !errors.As(err, &fault) || fault.Chain != ledger.RootChain || fault.Seq != c.seq || !strings.Contains(err.Error(), c.words) {
				t.Errorf("the root is refused with %v, want entry %d and %q", err, c.seq, c.words)
			}
			_, err = e.Activate(t.Context(), Ask{Text: waiting}, Record{})
			if !errors.As(err, &fault) || fault.Seq != c.seq {
				t.Errorf("an activation is refused with %v", err)
			}
			if _, err := e.Repair(t.Context(), known); !errors.As(err, &fault) {
				t.Errorf("a repair is refused with %v", err)
			}
			w.wantThree()
			removal, err := e.Revoke(t.Context(), known, "test")
			must(t, err)
			wantPhase(t, removal.Record, PhaseRevoked)
			if removal.Away != nil {
				t.Errorf("the removal was not recorded: %v", removal.Away)
			}
			w.wantHoldings()
			w.known(text)
		})
	}
}

// After a rotation the policy counts under the new root alone, and the rotation
// carries it over.
func TestSucceedCarriesThePolicyOver(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, known := w.active(w.three())
	next := rootText(t, rootOf(2, 2, "new1", "new2"))
	blocks := sealed(t, signature.NamespaceRoot, next, "mal", "new1", "root", "new2", "root")
	e := w.run(nil)
	wantError(t, e.Succeed(t.Context(), next, blocks), ErrPolicy) // the new root has not signed it
	wantRoots(t, w, 1)
	w.resign("root", "new1")
	wantError(t, e.Succeed(t.Context(), next, blocks), ErrPolicy) // one too few
	w.resign("root", "new1", "new2")
	wantError(t, e.Succeed(t.Context(), next, blocks[:2]), nhi.ErrDenied) // not by the old root
	wantRoots(t, w, 1)
	must(t, e.Succeed(t.Context(), next, blocks))
	must(t, e.Succeed(t.Context(), next, nil)) // again is no error
	wantRoots(t, w, 2)

	// With the file, and with the ledger's copy alone, access is given as before.
	text := w.approved(w.request("sandbox", access("one", "reader")))
	w.activate(text)
	e = w.run(nil)
	e.PolicyFile = ""
	_, _, err := e.PolicyInForce(t.Context())
	must(t, err)
	w.look(text, known, true)

	// Who holds the old key alone has no say any more.
	w.policy(2, `"24h"`, `"48h"`)
	_, _, err = w.run(nil).PolicyInForce(t.Context())
	wantError(t, err, ErrPolicy)
}

// A rotation that was stopped between the two entries is finished by the next
// call, and until then says what to do.
func TestSucceedStoppedHalfWay(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	next := rootText(t, rootOf(2, 1, "new1"))
	w.resign("root", "new1")
	e := w.run(&life{loseAfter: 1})
	err := e.Succeed(t.Context(), next, sealed(t, signature.NamespaceRoot, next, "root", "new1"))
	wantError(t, err, nhi.ErrUnreachable)
	e = w.run(nil)
	e.PolicyFile = ""
	_, _, err = e.PolicyInForce(t.Context())
	wantError(t, err, ErrPolicy)
	must(t, w.run(nil).Succeed(t.Context(), next, nil))
	e = w.run(nil)
	e.PolicyFile = ""
	_, _, err = e.PolicyInForce(t.Context())
	must(t, err)
}

// A root that comes between the evaluation and the first effect stops the
// activation: its policy may say otherwise.
func TestRotationDuringAnActivation(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	l := &life{}
	l.before = func(step string) {
		if step == "write intent@1 activate" {
			w.succession(rootOf(2, 1, "new1"), "root", "new1")
		}
	}
	_, err := w.run(l).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, ErrOvertaken)
	w.wantHoldings()
}

// A root chain that was cut back to the old keys is noticed by those who saw
// the new ones.
func TestRolledBackRoot(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	next := rootText(t, rootOf(2, 1, "new1"))
	w.resign("root", "new1")
	must(t, w.run(nil).Succeed(t.Context(), next, sealed(t, signature.NamespaceRoot, next, "root", "new1")))
	text, known := w.active(w.three())
	w.memory.Drop("root/00000002")
	view := w.look(text, known, true)
	if len(view.Warnings) == 0 || !errors.Is(view.Warnings[0], ErrShortened) || !strings.Contains(view.Warnings[0].Error(), "root ends with entry 1, and entry 2 was seen") {
		t.Errorf("the look warns of %v", view.Warnings)
	}
	_, err := w.run(nil).Repair(t.Context(), known)
	wantError(t, err, ErrShortened)
	removal, err := w.run(nil).Revoke(t.Context(), known, "test")
	must(t, err)
	wantPhase(t, removal.Record, PhaseRevoked)
	w.wantHoldings()
}

func wantRoots(t *testing.T, w *world, want int) {
	t.Helper()
	chain, err := w.book.Read(t.Context(), ledger.RootChain)
	must(t, err)
	if len(chain.Entries) != want {
		t.Errorf("the root chain has %d entries, want %d", len(chain.Entries), want)
	}
}

func entryKey(chain string, seq uint64) string { return fmt.Sprintf("%s/%08d", chain, seq) }

// An older policy does not come back under a newer number in the ledger.
func TestOlderPolicyUnderANewNumber(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	must(t, w.run(nil).PublishPolicy(t.Context()))
	source, signatures := w.read("policy.hcl"), w.read("policy.hcl.sig")
	w.policy(2)
	must(t, w.run(nil).PublishPolicy(t.Context()))
	w.record(ledger.PolicyChain, ledger.PolicyBody{Version: 3, Digest: nhi.DigestOf(source), Document: source, Signatures: signatures})
	e := w.run(nil)
	e.PolicyFile = ""
	_, _, err := e.PolicyInForce(t.Context())
	if !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), "policy entry 3: its document is version 1, and it says version 3") {
		t.Error(err)
	}
}
