package policy

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// How a requester can be proven.
const (
	ProvenBySSH   = "ssh"   // a signature over the request text
	ProvenByOIDC  = "oidc"  // a proof over the request text, of an issuer's token
	ProvenByVault = "vault" // Vault's own answer about the token of whoever asks
)

// ClaimEntity is the claim that names an entity of Vault's.
const ClaimEntity = "entity_id"

// requesters finds out who asked, and makes quorums larger where that is not
// proven.
func (e *evaluation) requesters() {
	e.unproven = len(e.in.Asked) == 0
	for _, asked := range e.in.Asked {
		person, by, problem := e.requester(asked)
		if problem != "" {
			e.unproven = true
			e.notProven(problem)
			continue
		}
		e.askers[person] = true
		e.verdict.Requester, e.verdict.ProvenBy = person, by
	}
	if len(e.in.Asked) == 0 {
		e.notProven("nobody is on record as having asked")
	}
	if e.unproven {
		e.enlarge()
	}
}

// enlarge makes every quorum one larger, because it is not proven who asked.
func (e *evaluation) enlarge() {
	e.verdict.Requester, e.verdict.ProvenBy = "", ""
	for i, need := range e.verdict.Needs {
		if !need.NoApproval {
			e.verdict.Needs[i].Want = need.Count + 1
		}
	}
}

// notProven tells why quorums are larger; where there is none it matters to nobody.
func (e *evaluation) notProven(problem string) {
	if !e.verdict.NoApproval {
		e.reason("the requester is not proven, so each quorum is one larger: %s", problem)
	}
}

// requester returns who asked, and by what that is proven, or why it is not.
func (e *evaluation) requester(asked Asked) (person, by, problem string) {
	switch {
	case asked.Signature != "":
		person, problem = e.askedBySSH(asked)
		return person, ProvenBySSH, problem
	case asked.Proof.Token != "":
		person, problem = e.askedByToken(asked)
		return person, ProvenByOIDC, problem
	case asked.Said.Issuer != "":
		person, problem = e.askedByVault(asked)
		return person, ProvenByVault, problem
	default:
		return "", "", "the request is not signed"
	}
}

func (e *evaluation) askedBySSH(asked Asked) (person, problem string) {
	key, err := signature.Verify(asked.Signature, signature.NamespaceRequest, e.in.Text)
	if err != nil {
		return "", plain(err)
	}
	approver, known := e.document.Person(key)
	if !known {
		return "", "the key " + ssh.FingerprintSHA256(key) + " does not count: " + e.document.nobody(key)
	}
	return approver.Name, ""
}

// askedByToken verifies a proof by an issuer's token, at the time when it was
// recorded: a token lives for minutes, and what was asked with it for longer.
func (e *evaluation) askedByToken(asked Asked) (person, problem string) {
	url, err := asked.Proof.Issuer()
	if err != nil {
		return "", plain(err)
	}
	issuer, known := e.document.Issuer(url)
	if !known || issuer.Vault {
		return "", fmt.Sprintf("the token is of %.80q, which is no issuer of this policy", url)
	}
	token, err := issuer.proven(asked, e.in.Text, e.in.Keys)
	if errors.Is(err, workload.ErrUnknownKey) && e.in.Suppose {
		e.suppose("the keys of " + url + " that could tell are not known any more")
		token, err = asked.Proof.Unverified(issuer.Issuer, asked.At)
	}
	if err != nil {
		return "", plain(err)
	}
	approver, problem := e.document.asker(ProofOf(token))
	if problem != "" {
		return "", "the token of " + url + " does not count: " + problem
	}
	return approver.Name, ""
}

var errNotFetched = errors.New("nobody fetched them")

// suppose holds back what rests on somebody's word.
func (e *evaluation) suppose(why string) {
	e.hold("whether whoever asked is proven cannot be checked: %s", why)
}

// Proves holds where the proof of a request on record is of its text, and of
// one of the issuer's tokens that was valid then; keys are for where the policy
// pins none. It is workload.ErrUnknownKey where nobody can tell.
func (i Issuer) Proves(asked Asked, text string, keys map[string]IssuerKeys) error {
	_, err := i.proven(asked, text, keys)
	return err
}

func (i Issuer) proven(asked Asked, text string, fetched map[string]IssuerKeys) (workload.Token, error) {
	keys := i.pinned
	if i.Keys == "" {
		found, known := fetched[i.URL]
		if !known {
			found.Err = errNotFetched
		}
		if found.Err != nil {
			return workload.Token{}, fmt.Errorf("%w: its keys are not known: %s", workload.ErrUnknownKey, plain(found.Err))
		}
		keys = found.Keys
	}
	return asked.Proof.Verify(i.Issuer, keys, asked.At, text)
}

// askedByVault counts what a run wrote down of Vault's answer only while Vault
// gives the same answer about whoever evaluates: that note is testimony.
func (e *evaluation) askedByVault(asked Asked) (person, problem string) {
	entity, live := asked.Said.Claims[ClaimEntity], e.in.Self
	switch issuer, known := e.document.Issuer(asked.Said.Issuer); {
	case !known || !issuer.Vault:
		return "", fmt.Sprintf("%.80q is no Vault of this policy", asked.Said.Issuer)
	case entity == "":
		return "", "the token that was looked up is of no entity"
	case e.in.Suppose:
		e.suppose("it is what " + asked.Said.Issuer + " said to the run that asked")
		live = asked.Said
	case live.Issuer != asked.Said.Issuer || live.Claims[ClaimEntity] != entity:
		return "", "who asked is the testimony of a run that looked its token up at " + asked.Said.Issuer + ", and this one is not proven to be of the same entity"
	}
	approver, problem := e.document.asker(live)
	if problem != "" {
		return "", "the token that was looked up at " + asked.Said.Issuer + " does not count: " + problem
	}
	return approver.Name, ""
}
