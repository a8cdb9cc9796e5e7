package vault

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// holdings is what one read found.
type holdings struct {
	all    bool               // every entity was listed, not only those asked for
	asked  map[string]*held   // by askedKey
	marked map[string][]*held // by mark, where all were listed
	named  map[string]*entity // entities that were read, by name
}

// askedKey tells reads of an account with and without its id apart: without
// it, a renamed entity would not have been found.
func askedKey(account connector.Account) string {
	return account.ID + " " + account.Principal + " " + account.Mark.String()
}

// Of implements connector.Holdings.
func (h *holdings) Of(account connector.Account) connector.Observation {
	if found, asked := h.asked[askedKey(account)]; asked {
		return found.observe(account)
	}
	if !h.all {
		return connector.Observation{Principal: account.Principal, State: connector.Unknown, Findings: []string{"was not part of this read"}}
	}
	for _, found := range h.marked[account.Mark.String()] {
		if account.ID == "" || adopts(account) != "" || found.entity.ID == account.ID {
			return found.observe(account)
		}
	}
	if named := h.named[account.Principal]; named != nil && adopts(account) == "" {
		return (&held{others: []string{"entity " + named.Name + " (id " + named.ID + ") has " + markText(named)}}).observe(account)
	}
	return (&held{}).observe(account)
}

// Read observes the accounts, or everything with a mark for nil. One that is
// not in the list of everything is confirmed by a read of its own.
func (s *system) Read(ctx context.Context, accounts []connector.Account) (connector.Holdings, error) {
	for _, account := range accounts {
		if err := checkAccount(account); err != nil {
			return nil, err
		}
	}
	accessor, err := s.accessor(ctx)
	if err != nil {
		return nil, err
	}
	h := &holdings{all: accounts == nil, asked: map[string]*held{}, marked: map[string][]*held{}, named: map[string]*entity{}}
	if accounts == nil {
		err = s.readAll(ctx, accessor, h)
	} else {
		err = s.readThese(ctx, accessor, h, accounts)
	}
	if err != nil {
		return nil, unreachable(err)
	}
	return h, nil
}

func (s *system) readThese(ctx context.Context, accessor string, h *holdings, accounts []connector.Account) error {
	looked := make([]*held, len(accounts))
	err := parallel(ctx, width, len(accounts), func(ctx context.Context, i int) (err error) {
		looked[i], err = s.look(ctx, accessor, accounts[i])
		return err
	})
	if err != nil {
		return err
	}
	for i, account := range accounts {
		h.asked[askedKey(account)] = looked[i]
	}
	return s.readTexts(ctx, looked)
}

// readAll lists every entity, and reads those that could be ours.
func (s *system) readAll(ctx context.Context, accessor string, h *holdings) error {
	entities, err := s.entities(ctx, accessor)
	if err != nil {
		return err
	}
	looked := make([]*held, len(entities))
	err = parallel(ctx, width, len(entities), func(ctx context.Context, i int) (err error) {
		looked[i], err = s.around(ctx, accessor, entities[i])
		return err
	})
	if err != nil {
		return err
	}
	for i, one := range entities {
		h.named[one.Name] = one
		if looked[i] != nil {
			mark := one.Metadata[metaMark]
			h.marked[mark] = append(h.marked[mark], looked[i])
		}
	}
	return s.readTexts(ctx, looked)
}

// around reads what belongs to an entity that carries a mark; nil for another.
func (s *system) around(ctx context.Context, accessor string, e *entity) (*held, error) {
	mark, isMark := e.mark()
	if !isMark {
		return nil, nil
	}
	h := &held{accessor: accessor, entity: e}
	name, want := nhi.Principal(mark.Grant, mark.Target), roleIDOf(mark)
	if taken := e.Metadata[metaRole]; taken != "" {
		name, want = taken, ""
	}
	if checkRoleName(name) == nil {
		found, err := s.readRole(ctx, name)
		if err != nil {
			return nil, err
		}
		if found != nil {
			_, tied := e.aliasFor(accessor, found.id)
			if found.id == want || want == "" && tied {
				h.role = found
			} else {
				h.foreign("AppRole " + found.name + " has a role id that does not follow from the mark")
			}
		}
	}
	return h, s.lookAround(ctx, h)
}

// ourName is the form of the names that nhi.Principal makes.
var ourName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*-[a-z2-9]{6}$`)

// listed is what a list says of an entity: its metadata is not there.
type listed struct {
	Name    string  `json:"name"`
	Aliases []alias `json:"aliases"`
}

// entities reads every entity that could carry a mark: those with an alias on
// the AppRole mount, and those with a name such as ours. People are not read.
func (s *system) entities(ctx context.Context, accessor string) ([]*entity, error) {
	info := map[string]listed{}
	ids, err := s.vault.List(ctx, "identity/entity/id", &info)
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		one, told := info[id]
		onMount := slices.ContainsFunc(one.Aliases, func(a alias) bool { return a.Accessor == accessor })
		return told && !onMount && !ourName.MatchString(one.Name)
	})
	slices.Sort(ids)
	found := make([]*entity, len(ids))
	err = parallel(ctx, width, len(ids), func(ctx context.Context, i int) (err error) {
		found[i], err = s.entityByID(ctx, ids[i])
		return err
	})
	return slices.DeleteFunc(found, func(e *entity) bool { return e == nil }), err
}

// readTexts reads the text of each policy that one of the AppRoles carries, once.
func (s *system) readTexts(ctx context.Context, looked []*held) error {
	var names []string
	for _, h := range looked {
		if h != nil && h.role != nil {
			names = append(names, h.role.holds()...)
		}
	}
	texts, err := s.policyTexts(ctx, names)
	for _, h := range looked {
		if h != nil {
			h.texts = texts
		}
	}
	return err
}

const pathPolicies = "sys/policies/acl/"

// policyTexts returns the digest of each policy's text; "" where there is none.
func (s *system) policyTexts(ctx context.Context, names []string) (policyTexts, error) {
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	texts := policyTexts{}
	var mu sync.Mutex
	err := parallel(ctx, width, len(names), func(ctx context.Context, i int) error {
		if checkPolicy(names[i]) != nil {
			return nil // somebody gave it by hand: it is found as it is
		}
		var one struct {
			Name   string `json:"name"`
			Policy string `json:"policy"`
		}
		err := s.vault.Read(ctx, pathPolicies+names[i], &one)
		if err == nil && one.Name != names[i] {
			err = vaulthttp.Garbage(pathPolicies+names[i], "an answer about another policy")
		}
		if err != nil && !errors.Is(err, vaulthttp.ErrAbsent) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if texts[names[i]] = ""; err == nil {
			texts[names[i]] = digest(one.Policy)
		}
		return nil
	})
	return texts, err
}
