package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// The history that is checked: clients work on one group of keys after the
// other, all at once, because a key is interesting until it is created.
const (
	linearClients = 10
	linearConns   = 3
	linearGroups  = 12
	linearKeys    = 3 // in each group
	linearOps     = 7 // of each client in each group
)

// What a client does.
const (
	opCreate = iota
	opGet
	opList
)

// request is what a client asked for. A key is its number in the group.
type request struct {
	group, op, key int
	value          string
}

// answer is what a client was told.
type answer struct {
	unknown bool             // it was told nothing: a create may have happened, then or later
	created bool             // of create; false is ErrExists
	value   string           // of get; empty is ErrNotFound
	listed  [linearKeys]bool // of list
	strange string           // keys that nobody created
}

// linearModel is a store as one machine that does one thing at a time: each key
// is a register that is written once, and a list reads those of a group
// together.
var linearModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		groups := make([][]porcupine.Operation, linearGroups)
		for _, operation := range history {
			group := operation.Input.(request).group
			groups[group] = append(groups[group], operation)
		}
		return groups
	},
	Init: func() any { return [linearKeys]string{} },
	Step: func(state, input, output any) (bool, any) {
		values, asked, told := state.([linearKeys]string), input.(request), output.(answer)
		before := values[asked.key]
		switch asked.op {
		case opCreate:
			if before == "" {
				values[asked.key] = asked.value
			}
			return told.unknown || told.created == (before == ""), values
		case opGet:
			return told.value == before, values
		default:
			for key, value := range values {
				if told.listed[key] != (value != "") {
					return false, values
				}
			}
			return told.strange == "", values
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

func groupPrefix(group int) string    { return fmt.Sprintf("linear/%02d/", group) }
func linearKey(group, key int) string { return fmt.Sprintf("%s%08d", groupPrefix(group), key) }

// Linearizable lets many clients create, get and list a few keys at once, over
// several connections, and requires that every answer is one that a store which
// does one thing at a time could have given, in an order that agrees with the
// clock on the wall. With faults, an operation may fail: whether a create that
// did has happened is then found by the answers to others. It returns how many
// failed.
func Linearizable(t *testing.T, open Open, faults bool) (failed int) {
	t.Helper()
	stores := make([]ledger.Store, linearConns)
	for i := range stores {
		stores[i] = connect(t, open)
	}
	history, errs := linearHistory(t.Context(), stores)
	if len(errs) > 0 && !faults {
		t.Fatalf("%d operations failed: %v", len(errs), errs[0])
	}
	const patience = time.Minute
	if result := porcupine.CheckOperationsTimeout(linearModel, history, patience); result != porcupine.Ok {
		t.Errorf("the history of %d operations (%d failed) is not linearizable: %s", len(history), len(errs), result)
	}
	return len(errs)
}

// linearHistory returns what the clients asked for and were told.
func linearHistory(ctx context.Context, stores []ledger.Store) ([]porcupine.Operation, []error) {
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		errs    []error
	)
	began := time.Now()
	for group := range linearGroups {
		together(linearClients, func(client int) error {
			for n := range linearOps {
				asked := request{group: group, op: rand.N(opList + 1), key: rand.N(linearKeys), value: fmt.Sprintf("%d/%d", client, n)}
				called := time.Since(began)
				told, err := ask(ctx, stores[(client+n)%len(stores)], asked)
				operation := porcupine.Operation{
					ClientId: client, Input: asked, Call: int64(called), Output: told, Return: int64(time.Since(began)),
				}
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
					operation.Return = math.MaxInt64 // it may happen at any time from now on
				}
				if err == nil || asked.op == opCreate { // a read without an answer says nothing
					history = append(history, operation)
				}
				mu.Unlock()
			}
			return nil
		})
	}
	return history, errs
}

func ask(ctx context.Context, store ledger.Store, asked request) (answer, error) {
	key := linearKey(asked.group, asked.key)
	switch asked.op {
	case opCreate:
		err := store.Create(ctx, key, []byte(asked.value))
		if err == nil || errors.Is(err, ledger.ErrExists) {
			return answer{created: err == nil}, nil
		}
		return answer{unknown: true}, err
	case opGet:
		value, err := store.Get(ctx, key)
		if errors.Is(err, ledger.ErrNotFound) {
			err = nil
		}
		return answer{value: string(value)}, err
	default:
		keys, err := store.List(ctx, groupPrefix(asked.group))
		told := answer{}
		for i := range told.listed {
			if at := slices.Index(keys, linearKey(asked.group, i)); at >= 0 {
				told.listed[i] = true
				keys = slices.Delete(keys, at, at+1)
			}
		}
		told.strange = strings.Join(keys, " ")
		return told, err
	}
}

func testLinearizable(t *testing.T, open Open) { Linearizable(t, open, false) }
