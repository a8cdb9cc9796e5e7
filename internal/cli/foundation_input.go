package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// takePeople reads who may approve, and who may only ask.
func (f *foundation) takePeople(approvers, requesters []string) (err error) {
	if len(approvers) == 0 {
		return usage("say who may approve, at least one person: --approver ana@example.com=ana.pub\n" +
			"(the file holds that person's public SSH key; ssh-keygen -t ed25519 makes one)")
	}
	if f.approvers, err = parsePeople("--approver", approvers); err != nil {
		return err
	}
	f.requesters, err = parsePeople("--requester", requesters)
	return err
}

// parsePeople reads PERSON=FILE; a person may have many keys.
func parsePeople(flag string, args []string) ([]policy.Approver, error) {
	var people []policy.Approver
	for _, arg := range args {
		person, path, ok := strings.Cut(arg, "=")
		if !ok || person == "" || path == "" {
			return nil, usage("%s %q is not PERSON=FILE, such as ana@example.com=ana.pub", flag, arg)
		}
		key, err := publicKey(path)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", flag, person, err)
		}
		at := slices.IndexFunc(people, func(known policy.Approver) bool { return known.Name == person })
		if at < 0 {
			people = append(people, policy.Approver{Name: person})
			at = len(people) - 1
		}
		people[at].Keys = append(people[at].Keys, key)
	}
	return people, nil
}

// takeSystems reads NAME:KIND=ENDPOINT.
func (f *foundation) takeSystems(args []string) error {
	for _, arg := range args {
		what, endpoint, ok := strings.Cut(arg, "=")
		name, kind, named := strings.Cut(what, ":")
		if !ok || !named {
			return usage("--system %q is not NAME:KIND=ENDPOINT, such as orders:postgres=db.internal:5432/orders", arg)
		}
		if described, known := f.app.kind(kind); !known || described.Endpoint == nil {
			return usage("--system %s: kind %q is none of %s", name, kind, strings.Join(f.app.kindNames(), ", "))
		}
		if err := nhi.CheckName(name); err != nil {
			return usage("--system: the name %w", err)
		}
		if err := nhi.CheckText(endpoint); err != nil {
			return usage("--system %s: the endpoint %w", name, err)
		}
		f.systems = append(f.systems, policy.System{Name: name, Kind: kind, Endpoint: endpoint})
	}
	return nil
}

// kindNames lists the kinds that a system can have.
func (a *app) kindNames() []string {
	var names []string
	for _, kind := range a.Kinds {
		if kind.Endpoint != nil {
			names = append(names, kind.Name)
		}
	}
	return names
}
