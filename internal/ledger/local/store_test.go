package local_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Open {
		dir := t.TempDir()
		return func() (ledger.Store, error) { return local.Open(dir, time.Now, false) }
	})
}

func BenchmarkStore(b *testing.B) {
	for _, entries := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(entries, " entries"), func(b *testing.B) {
			storetest.Bench(b, entries, func(b *testing.B) storetest.Open {
				dir := b.TempDir()
				return func() (ledger.Store, error) { return local.Open(dir, time.Now, false) }
			})
		})
	}
}
