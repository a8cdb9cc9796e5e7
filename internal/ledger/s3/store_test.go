package s3_test

import (
	"fmt"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func TestStore(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	storetest.Run(t, func(t *testing.T) storetest.Open {
		texts := at(server, server.Bucket(), nil)
		return func() (ledger.Store, error) { return open(t.Context(), t, texts) }
	})
}

// In a folder of a bucket with Object Lock, beside another ledger.
func TestStoreInAFolder(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	bucket := server.VersionedBucket()
	folders := make(chan int, 1)
	folders <- 0
	storetest.Run(t, func(t *testing.T) storetest.Open {
		folder := <-folders
		folders <- folder + 1
		texts := at(server, bucket, map[string]string{"prefix": fmt.Sprintf("nhi/ledger-%d", folder)})
		return func() (ledger.Store, error) { return open(t.Context(), t, texts) }
	})
}

func BenchmarkStore(b *testing.B) {
	for _, entries := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(entries, " entries"), func(b *testing.B) {
			storetest.Bench(b, entries, func(b *testing.B) storetest.Open {
				server := testserver.S3(b)
				texts := at(server, server.Bucket(), map[string]string{"endpoint": server.Direct()})
				return func() (ledger.Store, error) { return open(b.Context(), b, texts) }
			})
		})
	}
}
