package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
)

// Bounds of what is kept of where approved roles lead, in bytes: a longer
// list is kept as its digest, and what is over the second bound is not kept.
const (
	maxReachLists = 2 << 10
	maxReach      = 3 << 10
)

// reach says where each approved role leads: to other roles, and to attributes
// that SET ROLE gives. What those roles may do with objects is not in it.
type reach map[string][]string

// digestPrefix starts a list that is kept as its digest. No line of a list
// starts so.
const digestPrefix = "sha256:"

// reached returns the roles that a member of the role can become, itself first.
func (s *snapshot) reached(r *role) []*role {
	found := []*role{r}
	for i := 0; i < len(found); i++ {
		for _, m := range s.holds[found[i].oid] {
			if next := s.roles[m.role]; next != nil && !slices.Contains(found, next) {
				found = append(found, next)
			}
		}
	}
	return found
}

// leads says in sorted lines where a role leads.
func (s *snapshot) leads(name string) []string {
	lines := []string{}
	first := s.byName[name]
	if first == nil {
		return lines
	}
	for _, r := range s.reached(first) {
		if r != first {
			lines = append(lines, rolePrivilege(r.name))
		}
		for _, attribute := range attributesOn(r) {
			if attribute != attributeLogin && attribute != attributeInherit {
				lines = append(lines, attribute+" of role "+shown(r.name))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// reachOf returns where the approved roles lead. What was kept already stays:
// a repair approves nothing.
func (s *snapshot) reachOf(account connector.Account, kept reach) reach {
	now := reach{}
	for _, name := range account.Access.Items(settingRoles) {
		if lines, ok := kept[name]; ok {
			now[name] = lines
		} else if s.byName[name] != nil {
			now[name] = s.leads(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if now.size() > maxReachLists {
			now[name] = digested(now[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if now.size() > maxReach {
			delete(now, name)
		}
	}
	return now
}

func (r reach) size() int {
	text, err := json.Marshal(r)
	if err != nil {
		return maxReach + 1
	}
	return len(text)
}

// digested returns the digest of a list, where that is shorter.
func digested(lines []string) []string {
	if isDigest(lines) {
		return lines
	}
	text := strings.Join(lines, "\n")
	sum := sha256.Sum256([]byte(text))
	digest := digestPrefix + hex.EncodeToString(sum[:16])
	if len(text) <= len(digest) {
		return lines
	}
	return []string{digest}
}

func isDigest(lines []string) bool {
	return len(lines) == 1 && strings.HasPrefix(lines[0], digestPrefix)
}

// reachWarnings says which approved roles lead elsewhere than at activation.
func (s *snapshot) reachWarnings(account connector.Account) []string {
	kept := recorded(account).Reach
	if len(kept) == 0 {
		return nil
	}
	var warnings []string
	for _, name := range account.Access.Items(settingRoles) {
		then, known := kept[name]
		if !known {
			warnings = append(warnings, "role "+shown(name)+": where it led at activation was not recorded")
			continue
		}
		if change := changed(then, s.leads(name)); change != "" {
			warnings = append(warnings, "role "+shown(name)+" leads to other roles than at activation"+change)
		}
	}
	return warnings
}

// changed says what is more and what is less; empty for no change.
func changed(then, now []string) string {
	if isDigest(then) {
		if !slices.Equal(then, digested(now)) {
			return " (they were too many to keep a list)"
		}
		return ""
	}
	var changes []string
	for _, line := range now {
		if !slices.Contains(then, line) {
			changes = append(changes, "+ "+line)
		}
	}
	for _, line := range then {
		if !slices.Contains(now, line) {
			changes = append(changes, "- "+line)
		}
	}
	if len(changes) == 0 {
		return ""
	}
	return ": " + strings.Join(changes, ", ")
}
