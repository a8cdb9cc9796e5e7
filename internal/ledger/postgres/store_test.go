package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// wait is how long anything may take that should happen at once.
const wait = 30 * time.Second

func TestMain(m *testing.M) { storetest.Main(m, byName) }

func settings(url, table string) setting.Settings {
	return setting.Settings{
		Values: nhi.Values{"table": nhi.Text(table)}, Secrets: map[string]nhi.Secret{"url": nhi.NewSecret(url)},
	}
}

func opens(url, table string, create bool) (ledger.Store, error) {
	return postgres.Kind().Open(context.Background(), settings(url, table), ledger.OpenOptions{Create: create})
}

// byName opens "URL TABLE", as another process does.
func byName(place string) (ledger.Store, error) {
	url, table, _ := strings.Cut(place, " ")
	return opens(url, table, false)
}

var (
	tables   atomic.Int64
	guarding sync.Mutex
)

// guarded makes a new table as the guide says, and returns it by name for a
// login that is a writer and nothing else.
func guarded(server *testserver.PostgresServer) (url, table string) {
	table = fmt.Sprintf("%sledger%d", server.Prefix(), tables.Add(1))
	guarding.Lock() // two at once change the grants of one schema, and one of them is told so
	defer guarding.Unlock()
	server.Exec(postgres.Kind().Guard(settings("", table)))
	server.Exec(fmt.Sprintf("CREATE ROLE %[1]s_login LOGIN PASSWORD 'pw'; GRANT %[1]s_writer TO %[1]s_login", table))
	return server.UserURL(table+"_login", "pw"), table
}

func connect(t *testing.T, url, table string) ledger.Store {
	t.Helper()
	store, err := opens(url, table, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// The whole suite passes for whoever has the grants of the guide and no others.
func TestStore(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	storetest.Run(t, func(*testing.T) storetest.Open {
		url, table := guarded(server)
		return func() (ledger.Store, error) { return opens(url, table, false) }
	})
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	storetest.RunProcesses(t, byName, func(*testing.T) string {
		url, table := guarded(server)
		return url + " " + table
	})
}

// A writer that has inserted and not committed holds nobody up but those who
// create the same key.
func TestSubjectsDoNotWait(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	url, table := guarded(server)
	open := func() (ledger.Store, error) { return opens(url, table, false) }
	storetest.RunHeld(t, open, func(t *testing.T, key string) func() error {
		commit := held(t, url, table, key)
		return func() error {
			waiting(t, server, 1)
			commit()
			return nil
		}
	})
}

// Answers are lost while clients work, and connections with them: each answer
// that came is still that of one store.
func TestLinearizableWhileAnswersAreLost(t *testing.T) {
	t.Parallel()
	url, table := guarded(testserver.Postgres(t))
	var armed atomic.Bool
	lossy := through(t, url, func(said []byte) int {
		if armed.Load() && len(said) > 0 && rand.N(20) == 0 {
			return 0
		}
		return -1
	})
	failed := storetest.Linearizable(t, func() (ledger.Store, error) {
		defer armed.Store(true)
		armed.Store(false)
		return opens(lossy, table, false)
	}, true)
	if failed == 0 {
		t.Error("no answer was lost")
	}
}

func BenchmarkStore(b *testing.B) {
	server := testserver.Postgres(b)
	for _, entries := range storetest.BenchEntries {
		b.Run(fmt.Sprint(entries, " entries"), func(b *testing.B) {
			storetest.Bench(b, entries, func(*testing.B) storetest.Open {
				url, table := guarded(server)
				return func() (ledger.Store, error) { return opens(url, table, false) }
			})
		})
	}
}
