package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// ErrNoSystem says that the configuration names no such system, or not of
// that kind, or that it leads elsewhere now.
var ErrNoSystem = errors.New("no such system")

// ErrNotKnownYet says that a system's settings are not known yet in this run.
var ErrNotKnownYet = errors.New("not known yet")

// Systems are the target systems of one run. Connections are opened at first
// use and shared.
type Systems struct {
	kinds   map[string]connector.Kind
	entries map[string]*system
	unknown bool // the whole map is not known yet

	mu     sync.Mutex
	opened map[string]*opened
}

type system struct {
	name     string
	kind     connector.Kind
	settings setting.Settings
	endpoint string
	unknown  bool
	broken   error // why the settings lead nowhere
}

type opened struct {
	connector connector.Connector
	roster    *connector.Roster
}

// NewSystems returns an empty set over the kinds that are built in.
func NewSystems(kinds []connector.Kind) *Systems {
	s := &Systems{kinds: map[string]connector.Kind{}, entries: map[string]*system{}, opened: map[string]*opened{}}
	for _, kind := range kinds {
		s.kinds[kind.Name] = kind
	}
	return s
}

// Add adds a system whose settings are known. The error is nhi.ErrInvalid
// where they lead nowhere.
func (s *Systems) Add(name, kind string, settings setting.Settings) error {
	described, ok := s.kinds[kind]
	if !ok || described.Endpoint == nil {
		return fmt.Errorf("system %q is of no known kind %q: %w", name, kind, nhi.ErrInvalid)
	}
	endpoint, err := described.Endpoint(settings)
	if err != nil {
		return fmt.Errorf("system %q: %w", name, err)
	}
	s.entries[name] = &system{name: name, kind: described, settings: settings, endpoint: endpoint}
	return nil
}

// Configure adds a system from the plain values of its settings, secrets among
// them, as a configuration has them. It is the one way from a block of the
// provider or of nhi.hcl to a system, so that both lead to the same place. What
// is wrong with the values comes back: a *setting.FieldError where it is about
// one of them, else nhi.ErrInvalid; then nothing is added. Values that are well
// formed and lead nowhere (a key file that is missing) add a broken system: it
// shows where the system is needed, and stops no removal elsewhere.
func (s *Systems) Configure(name, kind string, values nhi.Values) []error {
	described, ok := s.kinds[kind]
	if !ok {
		return []error{fmt.Errorf("system %q is of no known kind %q: %w", name, kind, nhi.ErrInvalid)}
	}
	complete, wrong := setting.Complete(described.Settings, values)
	errs := make([]error, 0, len(wrong))
	for _, err := range wrong {
		errs = append(errs, fmt.Errorf("system %q: %w", name, err))
	}
	if len(errs) > 0 {
		return errs
	}
	settings := setting.Split(described.Settings, complete)
	if described.CheckSettings != nil {
		if err := described.CheckSettings(settings); err != nil {
			return []error{err}
		}
	}
	if err := s.Add(name, kind, settings); err != nil {
		s.AddBroken(name, kind, err)
	}
	return nil
}

// AddUnknown adds a system of which only the name (and kind, where not empty)
// is known yet.
func (s *Systems) AddUnknown(name, kind string) {
	s.entries[name] = &system{name: name, kind: s.kinds[kind], unknown: true}
}

// AddBroken adds a system whose settings lead nowhere, and why: whoever needs
// it gets that error.
func (s *Systems) AddBroken(name, kind string, err error) {
	s.entries[name] = &system{name: name, kind: s.kinds[kind], broken: err}
}

// MarkUnknown says that not even the names of the systems are known yet.
func (s *Systems) MarkUnknown() { s.unknown = true }

// Names returns the names of the systems, sorted.
func (s *Systems) Names() []string { return slices.Sorted(maps.Keys(s.entries)) }

// Places returns where each system leads, by name, as targets of it begin.
// One that leads nowhere has no endpoint, and cannot be opened.
func (s *Systems) Places() []ledger.Target {
	places := make([]ledger.Target, 0, len(s.entries))
	for _, name := range s.Names() {
		entry := s.entries[name]
		places = append(places, ledger.Target{System: name, Kind: entry.kind.Name, Endpoint: entry.endpoint})
	}
	return places
}

// Kind returns the description of a kind.
func (s *Systems) Kind(name string) (connector.Kind, bool) {
	kind, ok := s.kinds[name]
	return kind, ok
}

// Privilege implements nhi.PrivilegeFunc over the kinds.
func (s *Systems) Privilege(kind, setting string) bool {
	for _, field := range s.kinds[kind].Access {
		if field.Name == setting {
			return field.Privilege
		}
	}
	return false
}

// Endpoint returns where a system of this kind leads. The error is ErrNoSystem
// or ErrNotKnownYet.
func (s *Systems) Endpoint(name, kind string) (string, error) {
	entry, ok := s.entries[name]
	switch {
	case s.unknown, ok && entry.unknown && (entry.kind.Name == "" || entry.kind.Name == kind):
		return "", fmt.Errorf("system %q is %w", name, ErrNotKnownYet)
	case !ok:
		return "", fmt.Errorf("system %q is not in the provider's systems (%s): %w", name, joined(s.Names()), ErrNoSystem)
	case entry.kind.Name != kind:
		return "", fmt.Errorf("system %q is of kind %s, not %s: %w", name, entry.kind.Name, kind, ErrNoSystem)
	}
	return entry.endpoint, entry.broken
}

// Weak says in words how the system of an access authenticates insecurely, as
// far as that is known.
func (s *Systems) Weak(access nhi.Access) []string {
	entry, ok := s.entries[access.System]
	if !ok || entry.unknown || entry.broken != nil || entry.kind.Name != access.Kind || entry.kind.Weak == nil {
		return nil
	}
	return entry.kind.Weak(entry.settings)
}

// Check holds when the target's system is known and leads to its endpoint.
func (s *Systems) Check(target ledger.Target) error {
	if target.Kind == nhi.KindExternal {
		return nil
	}
	endpoint, err := s.Endpoint(target.System, target.Kind)
	if err != nil {
		return err
	}
	if endpoint != target.Endpoint {
		return fmt.Errorf("system %q leads to %s, and this access is on %s: %w", target.System, endpoint, target.Endpoint, ErrNoSystem)
	}
	return nil
}

// Connector opens the system of a target, once for all who ask.
func (s *Systems) Connector(ctx context.Context, target ledger.Target) (connector.Connector, error) {
	o, err := s.open(ctx, target)
	if err != nil {
		return nil, err
	}
	return o.connector, nil
}

// Roster returns the shared reads of a target's system.
func (s *Systems) Roster(ctx context.Context, target ledger.Target) (*connector.Roster, error) {
	o, err := s.open(ctx, target)
	if err != nil {
		return nil, err
	}
	return o.roster, nil
}

// at returns a target under the name by which its system is configured: where
// none of its own name leads to its endpoint, another one of the same kind that
// does. So a system can be renamed, and what is on an old endpoint can be looked
// at and removed as long as some system leads there. The error is that of Check.
func (s *Systems) at(target ledger.Target) (ledger.Target, error) {
	err := s.Check(target)
	if err == nil || !errors.Is(err, ErrNoSystem) || target.Kind == "" || target.Endpoint == "" {
		return target, err
	}
	for _, name := range s.Names() {
		entry := s.entries[name]
		if entry.kind.Name == target.Kind && entry.endpoint == target.Endpoint && !entry.unknown && entry.broken == nil {
			target.System = name
			return target, nil
		}
	}
	return target, err
}

func (s *Systems) open(ctx context.Context, target ledger.Target) (*opened, error) {
	target, err := s.at(target)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.opened[target.System]; ok {
		return o, nil
	}
	kind, settings := s.kinds[target.Kind], setting.Settings{}
	if entry, ok := s.entries[target.System]; ok {
		settings = entry.settings
	}
	if kind.Open == nil {
		return nil, fmt.Errorf("kind %q is not built in: %w", target.Kind, ErrNoSystem)
	}
	inner, err := kind.Open(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("system %q: %w", target.System, err)
	}
	guarded := connector.Checked(kind, systemName(target), settings, inner)
	o := &opened{connector: guarded, roster: connector.NewRoster(guarded)}
	s.opened[target.System] = o
	return o, nil
}

func systemName(target ledger.Target) string {
	if target.System == "" {
		return target.Kind
	}
	return target.System
}

// Close releases every connection.
func (s *Systems) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, o := range s.opened {
		errs = append(errs, o.connector.Close())
	}
	s.opened = map[string]*opened{}
	return errors.Join(errs...)
}
