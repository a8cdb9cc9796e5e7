package ledger_test

import (
	"errors"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestChainNames(t *testing.T) {
	t.Parallel()
	tests := []struct{ chain, want, kind, id string }{
		{ledger.RootChain, "root", "root", ""},
		{ledger.PolicyChain, "policy", "policy", ""},
		{ledger.IdentityChain("production/payments/etl/orders-etl"), "identity/production%2Fpayments%2Fetl%2Forders-etl", "identity", "production/payments/etl/orders-etl"},
		{ledger.ApprovalChain("dev/a_1/b:default"), "approval/dev%2Fa_1%2Fb:default", "approval", "dev/a_1/b:default"},
		{ledger.GrantChain("dev/a/b:default"), "grant/dev%2Fa%2Fb:default", "grant", "dev/a/b:default"},
		// What no id can hold is kept apart all the same.
		{ledger.GrantChain("../A%2F é\x00"), "grant/%2E%2E%2F%41%252%46%20%C3%A9%00", "grant", "../A%2F é\x00"},
	}
	for _, test := range tests {
		if test.chain != test.want {
			t.Errorf("chain %q, want %q", test.chain, test.want)
		}
		kind, id, err := ledger.Subject(test.chain)
		if err != nil || kind != test.kind || id != test.id {
			t.Errorf("subject of %s: %q, %q, %v, want %q, %q", test.chain, kind, id, err, test.kind, test.id)
		}
	}
}

func TestSubjectRefuses(t *testing.T) {
	t.Parallel()
	names := []string{
		"", "/", "root/", "root/a", "policy/a", "identity", "identity/", "grants/a", "Grant/a", "grant/a/b", "grant/a.b", "grant/A",
		"grant/a%2fb", "grant/a%61", "grant/a%", "grant/a%2", "grant/a%zz", "grant/a%+1", "grant/a b", "grant/é", " grant/a",
	}
	for _, name := range names {
		if kind, id, err := ledger.Subject(name); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("subject of %q: %q, %q, %v, want ErrInvalid", name, kind, id, err)
		}
	}
}

func FuzzSubject(f *testing.F) {
	f.Add("grant/a%2Fb:c")
	f.Add("identity/%2E")
	f.Fuzz(func(t *testing.T, name string) {
		kind, id, err := ledger.Subject(name)
		if err != nil || id == "" {
			return
		}
		again := map[string]string{
			ledger.KindIdentity: ledger.IdentityChain(nhi.IdentityID(id)),
			ledger.KindApproval: ledger.ApprovalChain(nhi.ApprovalID(id)),
			ledger.KindGrant:    ledger.GrantChain(nhi.ApprovalID(id)),
		}[kind]
		if again != name {
			t.Errorf("%q is %s %q, which is %q", name, kind, id, again)
		}
	})
}

func TestHeadAndHashAt(t *testing.T) {
	t.Parallel()
	empty := ledger.Chain{Name: "grant/a"}
	if empty.Head() != (nhi.Head{}) {
		t.Errorf("head of an empty chain: %v", empty.Head())
	}
	l, _ := newLedger(t)
	chain := grow(t, l, "grant/a", 3)
	for i, entry := range chain.Entries {
		hash, ok := chain.HashAt(uint64(i) + 1)
		if !ok || hash != entry.Hash() {
			t.Errorf("hash at %d: %s, %t, want %s", i+1, hash, ok, entry.Hash())
		}
	}
	if want := (nhi.Head{Seq: 3, Hash: chain.Entries[2].Hash()}); chain.Head() != want {
		t.Errorf("head %v, want %v", chain.Head(), want)
	}
	for _, seq := range []uint64{0, 4, 1 << 63} {
		if hash, ok := chain.HashAt(seq); ok || hash != "" {
			t.Errorf("hash at %d: %s", seq, hash)
		}
	}
}
