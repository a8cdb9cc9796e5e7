package nhi

import (
	"fmt"
	"maps"
	"slices"
)

// KindExternal is the kind of an access that is on no system of ours: approval
// and expiry are all there is to it.
const KindExternal = "external"

// Bounds on what one request may hold.
const (
	MaxAccesses  = 500
	MaxListItems = 200
	// MaxSetting bounds one setting, in runes: a public key is the longest.
	MaxSetting = 4096
)

// Access is what is asked for on one target: a system, its kind and endpoint,
// and every setting of the access with defaults written out. An external
// access has neither system nor endpoint.
type Access struct {
	System   string `json:"system"`
	Kind     string `json:"kind"`
	Endpoint string `json:"endpoint"`
	Settings Values `json:"settings"`
}

// Equal says whether both ask for the same.
func (a Access) Equal(other Access) bool {
	return a.System == other.System && a.Kind == other.Kind && a.Endpoint == other.Endpoint &&
		a.Settings.Equal(other.Settings)
}

// Check holds when every name and setting is well formed.
func (a Access) Check() error {
	if err := CheckName(a.Kind); err != nil {
		return fmt.Errorf("kind: %w", err)
	}
	if a.Kind == KindExternal {
		if a.System != "" || a.Endpoint != "" {
			return fmt.Errorf("an external access has no system and no endpoint: %w", ErrInvalid)
		}
	} else if err := a.checkSystem(); err != nil {
		return err
	}
	for _, name := range a.Settings.Names() {
		if err := checkSetting(name, a.Settings[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (a Access) checkSystem() error {
	if err := CheckName(a.System); err != nil {
		return fmt.Errorf("system: %w", err)
	}
	if err := CheckText(a.Endpoint); err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	return nil
}

func checkSetting(name string, value Value) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if slices.Contains([]string{"kind", "system", "endpoint"}, name) {
		return fmt.Errorf("the name is taken: %w", ErrInvalid)
	}
	if !value.IsList() {
		return CheckTextUpTo(value.Text(), MaxSetting)
	}
	items := value.Items()
	if len(items) > MaxListItems {
		return fmt.Errorf("has %d items, and %d is the most allowed: %w", len(items), MaxListItems, ErrInvalid)
	}
	for _, item := range items {
		if item == "" {
			return fmt.Errorf("an item is empty: %w", ErrInvalid)
		}
		if err := CheckTextUpTo(item, MaxSetting); err != nil {
			return err
		}
	}
	return nil
}

// Accesses are the accesses of a request by target key.
type Accesses map[string]Access

// Keys returns the target keys, sorted.
func (a Accesses) Keys() []string { return slices.Sorted(maps.Keys(a)) }

// Check holds for 1 to MaxAccesses well-formed accesses.
func (a Accesses) Check() error {
	if len(a) == 0 || len(a) > MaxAccesses {
		return fmt.Errorf("access has %d targets, and must have 1 to %d: %w", len(a), MaxAccesses, ErrInvalid)
	}
	for _, key := range a.Keys() {
		if err := CheckName(key); err != nil {
			return fmt.Errorf("access %q: %w", key, err)
		}
		if err := a[key].Check(); err != nil {
			return fmt.Errorf("access %q: %w", key, err)
		}
	}
	return nil
}
