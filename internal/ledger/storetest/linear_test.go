package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// faulty is a store that breaks its promise in one way.
type faulty struct {
	*Memory
	create func(ctx context.Context, key string, value []byte) error
	get    func(ctx context.Context, key string) ([]byte, error)
	list   func(ctx context.Context, prefix string) ([]string, error)
}

func (f faulty) Create(ctx context.Context, key string, value []byte) error {
	if f.create != nil {
		return f.create(ctx, key, value)
	}
	return f.Memory.Create(ctx, key, value)
}

func (f faulty) Get(ctx context.Context, key string) ([]byte, error) {
	if f.get != nil {
		return f.get(ctx, key)
	}
	return f.Memory.Get(ctx, key)
}

func (f faulty) List(ctx context.Context, prefix string) ([]string, error) {
	if f.list != nil {
		return f.list(ctx, prefix)
	}
	return f.Memory.List(ctx, prefix)
}

// What is no store is found out: each of these breaks one promise of Store.
func TestLinearizableBites(t *testing.T) {
	t.Parallel()
	stores := map[string]func(m *Memory) ledger.Store{
		"the last writer wins": func(m *Memory) ledger.Store {
			return faulty{Memory: m, create: func(_ context.Context, key string, value []byte) error { m.Set(key, value); return nil }}
		},
		"nobody is told that a key exists": func(m *Memory) ledger.Store {
			return faulty{Memory: m, create: func(ctx context.Context, key string, value []byte) error {
				if err := m.Create(ctx, key, value); !errors.Is(err, ledger.ErrExists) {
					return err
				}
				return nil
			}}
		},
		"a connection remembers that a key was not there": func(m *Memory) ledger.Store {
			var absent sync.Map
			return faulty{Memory: m, get: func(ctx context.Context, key string) ([]byte, error) {
				if _, known := absent.Load(key); known {
					return nil, ledger.ErrNotFound
				}
				value, err := m.Get(ctx, key)
				if errors.Is(err, ledger.ErrNotFound) {
					absent.Store(key, true)
				}
				return value, err
			}}
		},
		"a list is behind": func(m *Memory) ledger.Store {
			var lists sync.Map
			return faulty{Memory: m, list: func(ctx context.Context, prefix string) ([]string, error) {
				keys, err := m.List(ctx, prefix)
				first, _ := lists.LoadOrStore(prefix, keys)
				return slices.Clone(first.([]string)), err
			}}
		},
		"a list shows what nobody created": func(m *Memory) ledger.Store {
			return faulty{Memory: m, list: func(ctx context.Context, prefix string) ([]string, error) {
				keys, err := m.List(ctx, prefix)
				return append(keys, prefix+"x"), err
			}}
		},
	}
	for name, breaks := range stores {
		m := &Memory{}
		history, errs := linearHistory(t.Context(), []ledger.Store{breaks(m), breaks(m)})
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if porcupine.CheckOperations(linearModel, history) {
			t.Errorf("%s: nobody noticed", name)
		}
	}
}
