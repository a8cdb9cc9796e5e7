package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// rootChain follows the roots from the one that is pinned, and tells of every
// base. What is wrong with the links, the ledger has told already.
func (v *audit) rootChain(engine *lifecycle.Engine) {
	trust, err := engine.Trust()
	v.trust = trust
	_, links := v.book.Roots()
	var fault *ledger.ChainError
	switch {
	case err == nil || links != nil:
	case errors.As(err, &fault):
		v.fault(ledger.RootChain, fault.Seq, "%s", fault.Reason)
	default:
		v.fault(ledger.RootChain, 1, "%s", err)
	}
	if outdated := trust.Outdated(); err == nil && outdated != "" {
		v.note(ledger.RootChain, trust.Seq, "%s", outdated)
	}
	for _, seq := range slices.Sorted(maps.Keys(trust.Ignored)) {
		v.fault(ledger.RootChain, seq, "the base counts for nothing: %s", trust.Ignored[seq])
	}
	if base := trust.Base; base.Number > 0 {
		v.note(ledger.RootChain, trust.BaseSeq, "the ledger was restored from a back-up, base %d, %s: %s", base.Number, nhi.FormatTime(base.Time), base.Reason)
	}
}

// rootsAt returns the roots that were in force at a time; two where one
// followed the other in this very moment.
func (v *audit) rootsAt(at time.Time) []nhi.Root {
	var roots []nhi.Root
	for i, root := range v.trust.Roots {
		ended := i+1 < len(v.trust.Roots) && v.trust.Roots[i+1].Since.Before(at)
		if !root.Since.After(at) && !ended {
			roots = append(roots, root.Root)
		}
	}
	return roots
}

// signedThen holds where a root that was in force when a policy was published
// has signed it.
func (v *audit) signedThen(entry ledger.Entry, body ledger.PolicyBody) error {
	err := fmt.Errorf("no trust root was in force when it was published: %w", nhi.ErrDenied)
	for _, root := range v.rootsAt(entry.Time) {
		if err = policy.VerifySignatures([]byte(body.Document), []byte(body.Signatures), root); err == nil {
			return nil
		}
	}
	return err
}

func (v *audit) policyChain(chain ledger.Chain) {
	v.policy = chain
	version := 0
	for _, entry := range chain.Entries {
		body, ok := entry.Body.(ledger.PolicyBody)
		if !ok {
			v.misplaced(chain, entry)
			continue
		}
		v.policies++
		if err := v.signedThen(entry, body); err != nil {
			v.fault(chain.Name, entry.Seq, "%s", err)
			continue
		}
		document, err := policy.Parse([]byte(body.Document))
		switch {
		case err != nil:
			v.fault(chain.Name, entry.Seq, "%s", err)
			continue
		case document.Ledger != v.book.ID():
			v.fault(chain.Name, entry.Seq, "the policy is for ledger %s", document.Ledger)
		case document.Version != body.Version || document.Digest != body.Digest:
			v.fault(chain.Name, entry.Seq, "the entry says version %d %s, and its document is version %d %s",
				body.Version, body.Digest.Short(), document.Version, document.Digest.Short())
		case document.Version == version && v.carried(document):
		case document.Version <= version:
			v.fault(chain.Name, entry.Seq, "version %d follows version %d", document.Version, version)
		default:
			version = document.Version
			v.documents = append(v.documents, published{entry.Seq, entry.Time, document})
		}
	}
}

// carried says whether a policy stands there once more because a new trust root
// has signed it too.
func (v *audit) carried(document *policy.Document) bool {
	return len(v.documents) > 0 && v.documents[len(v.documents)-1].document.Digest == document.Digest
}

// signer holds where a key was a person's who could sign: in the policy that
// the signer saw, and in the one that was in force when the decision was
// recorded. What was signed with a key that is compromised now is told.
func (v *audit) signer(chain ledger.Chain, entry ledger.Entry, decision nhi.Decision, key ssh.PublicKey) error {
	if lost, ok := v.compromised(key); ok {
		if !entry.Time.Before(lost.Since) {
			return fmt.Errorf("the key %s is compromised since %s, and it was recorded after that", fingerprint(key), nhi.FormatTime(lost.Since))
		}
		v.note(chain.Name, entry.Seq, "the key %s is compromised since %s; this was recorded before that, and counts for nothing new", fingerprint(key), nhi.FormatTime(lost.Since))
	}
	at := slices.IndexFunc(v.documents, func(p published) bool { return p.document.Digest == decision.PolicyDigest })
	if at < 0 {
		v.note(chain.Name, entry.Seq, "its signer saw policy version %d (%s), which was never published here",
			decision.PolicyVersion, decision.PolicyDigest.Short())
	} else if _, known := v.documents[at].document.Person(key); !known {
		return fmt.Errorf("the key %s belongs to nobody in policy version %d, which its signer saw", fingerprint(key), decision.PolicyVersion)
	}
	for _, one := range slices.Backward(v.documents) {
		if !one.at.Before(entry.Time) {
			continue
		}
		if _, known := one.document.Person(key); !known {
			return fmt.Errorf("the key %s belongs to nobody in policy version %d, which was in force when it was recorded", fingerprint(key), one.document.Version)
		}
		break
	}
	return nil
}

// compromised says whether the newest policy calls a key compromised.
func (v *audit) compromised(key ssh.PublicKey) (policy.Compromised, bool) {
	if len(v.documents) == 0 {
		return policy.Compromised{}, false
	}
	_, lost, ok := v.documents[len(v.documents)-1].document.Compromised(key)
	return lost, ok
}
