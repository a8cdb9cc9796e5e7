package cli_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// forgeries are all kinds of tampering. Each changes the record of one job and
// returns what verify must say of it. An approval's chain has three entries (a
// request, two decisions), an identity's two, a grant's two.
var forgeries = map[int]struct {
	name string
	make func(f *forger, job int) string
}{
	1: {"an entry edited", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.reword(chain, 1, "CHG-1234", "CHG-9999")
		return chain + " entry 2: it does not follow from the entry before it"
	}},
	2: {"deleted", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.drop(chain, 2)
		return chain + " entry 2: it is missing"
	}},
	3: {"inserted", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		for seq := 3; seq >= 2; seq-- {
			f.put(chain, seq+1, f.get(chain, seq))
		}
		f.reword(chain, 2, "nhi test", "nhi tEst")
		return chain + " entry 3: it was written as entry 2"
	}},
	4: {"reordered", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		second, third := f.get(chain, 2), f.get(chain, 3)
		f.put(chain, 2, third)
		f.put(chain, 3, second)
		return chain + " entry 2: it was written as entry 3"
	}},
	5: {"duplicated", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.put(chain, 4, f.get(chain, 3))
		return chain + " entry 4: it was written as entry 3"
	}},
	6: {"shortened", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.drop(chain, 3)
		return chain + " entry 3: it is missing, and " + ledger.GrantChain(approval(job)) + " entry 1 has seen the chain up to entry 3"
	}},
	7: {"forked", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.reword(chain, 3, "nhi test", "nhi tEst")
		return chain + " entry 3: it is another one than " + ledger.GrantChain(approval(job)) + " entry 1 has seen"
	}},
	8: {"yesterday's copy", func(f *forger, job int) string {
		chain := ledger.IdentityChain(approval(job).Identity())
		f.drop(chain, 2)
		return chain + " entry 2: it is missing, and " + ledger.GrantChain(approval(job)) + " entry 1 has seen the chain up to entry 2: the chain was cut, or replaced by an older copy"
	}},
	9: {"another ledger's", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.reword(chain, 3, f.book().ID(), strings.Repeat("0", 32))
		return chain + " entry 3: it is of ledger"
	}},
	10: {"a decision forged", func(f *forger, job int) string {
		signed := f.kept[fmt.Sprint("ana", job)]
		signed.Signature = f.kept[fmt.Sprint("mal", job)].Signature
		signed.Text = strings.Replace(signed.Text, "justification:", "justification: really", 1)
		return f.decide(job, signed, "the list that was signed does not name this decision")
	}},
	11: {"its signature stripped", func(f *forger, job int) string {
		signed := f.kept[fmt.Sprint("ana", job)]
		signed.Signature = ""
		return f.decide(job, signed, "there is no signature")
	}},
	12: {"a key unknown", func(f *forger, job int) string {
		return f.decide(job, f.kept[fmt.Sprint("mal", job)], "belongs to nobody in policy version 1, which its signer saw")
	}},
	13: {"a key dropped", func(f *forger, job int) string {
		return f.decide(job, f.kept[fmt.Sprint("cyd", job)], "belongs to nobody in policy version 2, which was in force when it was recorded")
	}},
	14: {"a key compromised", func(f *forger, job int) string {
		return f.decide(job, f.kept[fmt.Sprint("ben", job)], "is compromised since 2030-01-08T09:59:00Z, and it was recorded after that")
	}},
	15: {"another namespace", func(f *forger, job int) string {
		signed := f.kept[fmt.Sprint("ana", job)]
		block, err := signature.Sign(f.signer("ana"), signature.NamespaceReport, signed.List)
		must(f.t, err)
		signed.Signature = block
		return f.decide(job, signed, `signature is for "nhi-report@v1"`)
	}},
	16: {"a signature over another list", func(f *forger, job int) string {
		signed := f.kept[fmt.Sprint("ana", job)]
		block, err := signature.Sign(f.signer("ana"), signature.NamespaceDecision, "another list\n")
		must(f.t, err)
		signed.Signature = block
		return f.decide(job, signed, "does not match the text")
	}},
	17: {"an entry of a newer release", func(f *forger, job int) string {
		chain := ledger.GrantChain(approval(job))
		last := f.get(chain, 2)
		f.put(chain, 3, fmt.Sprintf(`{"ledger":%q,"chain":%q,"seq":3,"prev":%q,"time":"2030-01-08T09:00:00Z","writer":"x","type":"future@1","body":{}}`,
			f.book().ID(), chain, nhi.DigestOf(last)))
		return chain + " entry 3: type future@1"
	}},
	18: {"a policy with a key of everybody", func(f *forger, _ int) string {
		source := strings.NewReplacer("version = 2", "version = 3", "ana@example.com", "*").Replace(f.read(f.path("policy.hcl")))
		block, err := signature.Sign(f.signer("root"), signature.NamespacePolicy, source)
		must(f.t, err)
		f.add(ledger.PolicyChain, ledger.PolicyBody{Version: 3, Digest: nhi.DigestOf(source), Document: source, Signatures: block})
		return "policy entry 3: must not hold any of *"
	}},
	19: {"a base that nobody signed", func(f *forger, _ int) string {
		f.add(ledger.RootChain, ledger.BaseBody{Base: f.draft})
		return "root entry 2: the base counts for nothing: the base is signed by 0 of the 1"
	}},
	20: {"a trust root of one's own", func(f *forger, _ int) string {
		text := f.next(2, 1, "mal")
		block, err := signature.Sign(f.signer("mal"), signature.NamespaceRoot, text)
		must(f.t, err)
		f.add(ledger.RootChain, ledger.RootBody{Root: text, Signatures: []string{block}})
		return fmt.Sprintf("root entry %d: the successor, version 2, is signed by 0 of the 1 keys that it needs of root version 1", len(f.chain(ledger.RootChain).Entries))
	}},
}

// decide puts a decision on the record of a job.
func (f *forger) decide(job int, signed nhi.SignedDecision, words string) string {
	f.t.Helper()
	chain := ledger.ApprovalChain(approval(job))
	f.add(chain, ledger.DecisionBody{SignedDecision: signed})
	return chain + " entry 4: " + words
}

// next is the text of a root.
func (w *world) next(version, threshold int, names ...string) string {
	w.t.Helper()
	root := nhi.Root{Version: version, Threshold: threshold}
	for _, name := range names {
		root.Keys = append(root.Keys, signature.Key(w.signer(name).PublicKey()))
	}
	slices.Sort(root.Keys)
	text, err := root.Text()
	must(w.t, err)
	return text
}
