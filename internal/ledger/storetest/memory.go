package storetest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// Memory is a store in memory that a test can tamper with. Its zero value is
// empty and tells this machine's time. Closing it loses nothing.
type Memory struct {
	mu     sync.Mutex
	values map[string][]byte
	clock  func() time.Time
	before func(op, key string) error
}

var _ ledger.Store = (*Memory)(nil)

// Set puts value under key, whatever was there.
func (m *Memory) Set(key string, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = slices.Clone(value)
}

// Drop removes a key.
func (m *Memory) Drop(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
}

// Value returns what is under key, or nil.
func (m *Memory) Value(key string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.values[key])
}

// Copy returns a store of its own with the same content and clock.
func (m *Memory) Copy() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{values: maps.Clone(m.values), clock: m.clock}
}

// SetClock makes clock the store's time.
func (m *Memory) SetClock(clock func() time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock = clock
}

// Before has hook called ahead of every operation ("create", "get", "list",
// "now") with its key or prefix, without a lock held. An error from it is
// returned in place of the operation: so a store that is down looks. Nil ends
// that.
func (m *Memory) Before(hook func(op, key string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = hook
}

// start runs what comes before an operation.
func (m *Memory) start(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	hook := m.before
	m.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op, key)
}

// Create implements ledger.Store.
func (m *Memory) Create(ctx context.Context, key string, value []byte) error {
	if err := m.start(ctx, "create", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, exists := m.values[key]; exists {
		return ledger.ErrExists
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = slices.Clone(value)
	return nil
}

// Get implements ledger.Store.
func (m *Memory) Get(ctx context.Context, key string) ([]byte, error) {
	if err := m.start(ctx, "get", key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	value, exists := m.values[key]
	if !exists {
		return nil, ledger.ErrNotFound
	}
	return slices.Clone(value), nil
}

// List implements ledger.Store.
func (m *Memory) List(ctx context.Context, prefix string) ([]string, error) {
	if err := m.start(ctx, "list", prefix); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := []string{}
	for key := range m.values {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// Now implements ledger.Store.
func (m *Memory) Now(ctx context.Context) (time.Time, error) {
	if err := m.start(ctx, "now", ""); err != nil {
		return time.Time{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clock == nil {
		return time.Now(), nil
	}
	return m.clock(), nil
}

// Close implements ledger.Store.
func (*Memory) Close() error { return nil }
