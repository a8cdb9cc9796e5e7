package ledger

import (
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Body is the typed content of an entry. The version is part of the type: a
// reader that does not know "intent@2" grants nothing on that chain.
type Body interface{ Type() string }

// RootBody starts the ledger, or succeeds the trust root before it.
type RootBody struct {
	Root       string   `json:"root"`       // canonical root text
	Signatures []string `json:"signatures"` // over the text, by the old and the new threshold; none on the first
}

// BaseBody says, in the root chain, that the ledger was restored from a
// back-up, and from what it goes on.
type BaseBody struct {
	Base       string   `json:"base"`       // canonical base text
	Signatures []string `json:"signatures"` // over the text, by the threshold of the root in force
}

// PolicyBody publishes a signed policy.
type PolicyBody struct {
	Version    int        `json:"version"`
	Digest     nhi.Digest `json:"digest"`
	Document   string     `json:"document"`
	Signatures string     `json:"signatures"`
}

// IdentityBody records what an identity is from now on.
type IdentityBody struct {
	Identity nhi.Identity `json:"identity"`
}

// RequestBody records that access was asked for, and by whom.
type RequestBody struct {
	Text          string `json:"text"`
	Justification string `json:"justification"`
	// Signature is the requester's SSH signature over Text (nhi-request@v1);
	// empty where the requester is not proven, or by something else.
	Signature string `json:"signature"`
	// Token is header and payload of an issuer's token, without its signature,
	// and Proof a proof over Text by whoever held it. Issuer and Claims are what
	// a Vault said of whoever asked: the testimony of the run that wrote this. A
	// request with any of them is of version 2.
	Token  string            `json:"token,omitempty"`
	Proof  string            `json:"proof,omitempty"`
	Issuer string            `json:"issuer,omitempty"`
	Claims map[string]string `json:"claims,omitempty"`
}

// DecisionBody records a person's signed verdict.
type DecisionBody struct {
	nhi.SignedDecision
}

// The verbs of an intent.
const (
	VerbActivate = "activate"
	VerbRepair   = "repair"
	VerbRevoke   = "revoke"
	VerbUndo     = "undo"
)

// Target is one target of a grant in the ledger: enough to find and remove it
// without any configuration. Nothing in it is secret.
type Target struct {
	System    string     `json:"system"`
	Kind      string     `json:"kind"`
	Endpoint  string     `json:"endpoint"`
	Principal string     `json:"principal"`
	Nonce     string     `json:"nonce"`
	ID        string     `json:"id"`
	Evidence  string     `json:"evidence"`
	Access    nhi.Values `json:"access"`
	NotBefore time.Time  `json:"not_before"`
	NotAfter  time.Time  `json:"not_after"`
	// Ledger is the id of another ledger, which was lost, whose mark the account
	// carries; empty where it is this one's. An intent with such a target is of
	// version 3, and only ever takes away.
	Ledger string `json:"ledger,omitempty"`
}

// IntentBody is durable before the first effect. Whoever wrote the last one
// may act.
type IntentBody struct {
	Verb       string            `json:"verb"`
	Activation int               `json:"activation"`
	Request    nhi.Digest        `json:"request"` // the request put in force
	Text       string            `json:"text"`    // its canonical text
	Reason     string            `json:"reason"`
	StartedAt  time.Time         `json:"started_at"`
	ExpiresAt  time.Time         `json:"expires_at"`
	Targets    map[string]Target `json:"targets"`
	// Heads are the ends of the chains that were relied on, by chain.
	Heads map[string]nhi.Head `json:"heads"`
	// Trigger is the value of the grant's trigger that this activation is for,
	// and Holder names the resource instance that asked for it. An intent with
	// either is of version 2.
	Trigger string `json:"trigger,omitempty"`
	Holder  string `json:"holder,omitempty"`
}

// EffectBody records what a step did on the targets: ids and evidence.
type EffectBody struct {
	Epoch   uint64            `json:"epoch"` // of the intent
	Step    string            `json:"step"`  // prepare, enable, revoke
	Targets map[string]Target `json:"targets"`
}

// Verified is what was read back from one target.
type Verified struct {
	State       string    `json:"state"`
	Verified    bool      `json:"verified"`
	Privileges  []string  `json:"privileges"`
	UsableUntil time.Time `json:"usable_until"`
	Open        string    `json:"open"` // why a removal is not confirmed; empty when it is
}

// VerificationBody records what the targets themselves answered.
type VerificationBody struct {
	Epoch   uint64              `json:"epoch"`
	Targets map[string]Verified `json:"targets"`
}

// UseBody consumes one activation: every target was read back as active.
type UseBody struct {
	Epoch      uint64     `json:"epoch"`
	Activation int        `json:"activation"`
	Request    nhi.Digest `json:"request"`
}

// BlockBody ends a grant or an identity until it is lifted.
type BlockBody struct {
	Reason string `json:"reason"`
	By     string `json:"by"`
}

// LiftBody ends a block.
type LiftBody struct {
	Reason string `json:"reason"`
	By     string `json:"by"`
}

// Type implements Body.
func (RootBody) Type() string { return "root@1" }

// Type implements Body.
func (BaseBody) Type() string { return "base@1" }

// Type implements Body.
func (PolicyBody) Type() string { return "policy@1" }

// Type implements Body.
func (IdentityBody) Type() string { return "identity@1" }

// Type implements Body.
func (b RequestBody) Type() string {
	if b.Token != "" || b.Proof != "" || b.Issuer != "" || len(b.Claims) > 0 {
		return "request@2"
	}
	return "request@1"
}

// Type implements Body.
func (DecisionBody) Type() string { return "decision@1" }

// Type implements Body.
func (b IntentBody) Type() string {
	for _, target := range b.Targets {
		if target.Ledger != "" {
			return "intent@3"
		}
	}
	if b.Trigger != "" || b.Holder != "" {
		return "intent@2"
	}
	return "intent@1"
}

// Type implements Body.
func (EffectBody) Type() string { return "effect@1" }

// Type implements Body.
func (VerificationBody) Type() string { return "verification@1" }

// Type implements Body.
func (UseBody) Type() string { return "use@1" }

// Type implements Body.
func (BlockBody) Type() string { return "block@1" }

// Type implements Body.
func (LiftBody) Type() string { return "lift@1" }

// WithdrawalBody records that a request is no longer asked for.
type WithdrawalBody struct {
	Request nhi.Digest `json:"request"`
}

// Type implements Body.
func (WithdrawalBody) Type() string { return "withdrawal@1" }

// ObservationBody records, in the chain of an approval, what systems held
// under the names of accounts that a request asks to take over. Who decides
// after it has seen it.
type ObservationBody struct {
	Request nhi.Digest          `json:"request"`
	Targets map[string]Observed `json:"targets"`
}

// Observed is an account as it was found before it is taken over.
type Observed struct {
	Principal  string    `json:"principal"`
	ID         string    `json:"id"`
	Owner      string    `json:"owner"`
	Privileges []string  `json:"privileges"`
	LastUsed   time.Time `json:"last_used"`
}

// Type implements Body.
func (ObservationBody) Type() string { return "observation@1" }

// HolderBody records, in the chain of a grant, that another resource instance
// holds it from now on: what is in force was adopted as it is.
type HolderBody struct {
	Holder     string `json:"holder"`
	Activation int    `json:"activation"`
}

// Type implements Body.
func (HolderBody) Type() string { return "holder@1" }

// EmergencyBody records, in the chain of a grant, what holders of the trust
// root signed while the ledger was away: it stands behind the intent whose text
// it is. An intent stands first, so that a release which does not know this
// type still sees every account that the intent names, and can remove it.
type EmergencyBody struct {
	Text       string     `json:"text"`       // canonical emergency text
	Signatures string     `json:"signatures"` // over the text, one block for each signer
	Root       nhi.Digest `json:"root"`       // of the root whose threshold signed
}

// Type implements Body.
func (EmergencyBody) Type() string { return "emergency@1" }
