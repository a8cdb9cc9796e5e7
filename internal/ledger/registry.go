package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// bodiesByType decodes the body of each type of entry that this release knows.
var bodiesByType = map[string]func(json.RawMessage) (Body, error){
	RootBody{}.Type():         decodeAs[RootBody],
	BaseBody{}.Type():         decodeAs[BaseBody],
	PolicyBody{}.Type():       decodeAs[PolicyBody],
	IdentityBody{}.Type():     decodeAs[IdentityBody],
	"request@1":               decodeAs[RequestBody],
	"request@2":               decodeAs[RequestBody],
	DecisionBody{}.Type():     decodeAs[DecisionBody],
	"intent@1":                decodeAs[IntentBody],
	"intent@2":                decodeAs[IntentBody],
	"intent@3":                decodeAs[IntentBody],
	EffectBody{}.Type():       decodeAs[EffectBody],
	VerificationBody{}.Type(): decodeAs[VerificationBody],
	UseBody{}.Type():          decodeAs[UseBody],
	BlockBody{}.Type():        decodeAs[BlockBody],
	LiftBody{}.Type():         decodeAs[LiftBody],
	WithdrawalBody{}.Type():   decodeAs[WithdrawalBody],
	ObservationBody{}.Type():  decodeAs[ObservationBody],
	HolderBody{}.Type():       decodeAs[HolderBody],
	EmergencyBody{}.Type():    decodeAs[EmergencyBody],
	ConfirmationBody{}.Type(): decodeAs[ConfirmationBody],
}

// Types returns the names of all types of entry that this release knows, sorted.
func Types() []string { return slices.Sorted(maps.Keys(bodiesByType)) }

func decodeAs[B Body](data json.RawMessage) (Body, error) {
	var body B
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, err
	}
	return body, nil
}

// encodeBody returns the type and the stored bytes of body.
func encodeBody(body Body) (string, json.RawMessage, error) {
	normal, ok := normalBody(body)
	if !ok {
		return "", nil, fmt.Errorf("a body of Go type %T cannot be stored: %w", body, nhi.ErrInvalid)
	}
	data, err := json.Marshal(normal)
	if err != nil {
		return "", nil, fmt.Errorf("body of type %s: %w: %w", normal.Type(), nhi.ErrInvalid, err)
	}
	return normal.Type(), data, nil
}

// normalBody returns a copy of body with one way to write each thing: empty
// rather than null, times in UTC, and words that systems and people wrote as
// valid UTF-8, so that the record of a removal is never refused because of
// them. What is signed is left as it is. It is false for what is no body.
func normalBody(body Body) (Body, bool) {
	switch b := body.(type) {
	case RootBody:
		b.Signatures = filled(b.Signatures)
		return b, true
	case BaseBody:
		b.Signatures = filled(b.Signatures)
		return b, true
	case IdentityBody:
		b.Identity.ExpiresAt = b.Identity.ExpiresAt.UTC()
		return b, true
	case IntentBody:
		return normalIntent(b), true
	case EffectBody:
		b.Targets = normalTargets(b.Targets)
		return b, true
	case VerificationBody:
		return normalVerification(b), true
	case BlockBody:
		return BlockBody{Reason: words(b.Reason), By: words(b.By)}, true
	case LiftBody:
		return LiftBody{Reason: words(b.Reason), By: words(b.By)}, true
	case ObservationBody:
		return normalObservation(b), true
	case ConfirmationBody:
		return normalConfirmation(b), true
	case PolicyBody, RequestBody, DecisionBody, UseBody, WithdrawalBody, HolderBody, EmergencyBody:
		return b, true
	default:
		return nil, false
	}
}

func normalIntent(b IntentBody) IntentBody {
	b.Reason = words(b.Reason)
	b.StartedAt, b.ExpiresAt = b.StartedAt.UTC(), b.ExpiresAt.UTC()
	b.Targets = normalTargets(b.Targets)
	if b.Heads == nil {
		b.Heads = map[string]nhi.Head{}
	}
	return b
}

func normalTargets(targets map[string]Target) map[string]Target {
	normal := make(map[string]Target, len(targets))
	for key, target := range targets {
		target.Evidence = words(target.Evidence)
		target.NotBefore, target.NotAfter = target.NotBefore.UTC(), target.NotAfter.UTC()
		if target.Access == nil {
			target.Access = nhi.Values{}
		}
		normal[key] = target
	}
	return normal
}

func normalVerification(b VerificationBody) VerificationBody {
	targets := make(map[string]Verified, len(b.Targets))
	for key, verified := range b.Targets {
		verified.Privileges = filled(verified.Privileges)
		verified.UsableUntil = verified.UsableUntil.UTC()
		verified.Open = words(verified.Open)
		targets[key] = verified
	}
	b.Targets = targets
	return b
}

func normalObservation(b ObservationBody) ObservationBody {
	targets := make(map[string]Observed, len(b.Targets))
	for key, observed := range b.Targets {
		observed.Principal, observed.ID, observed.Owner = words(observed.Principal), words(observed.ID), words(observed.Owner)
		observed.LastUsed = observed.LastUsed.UTC()
		privileges := make([]string, len(observed.Privileges))
		for i, privilege := range observed.Privileges {
			privileges[i] = words(privilege)
		}
		observed.Privileges = privileges
		targets[key] = observed
	}
	b.Targets = targets
	return b
}

func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func words(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// stamp is the time of an entry: more digits would tell nobody anything.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
