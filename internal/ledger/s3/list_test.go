package s3_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// Reading one chain lists that chain, whatever else there is; a list of more
// than a page is whole and in order.
func TestOneChainIsListed(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	store := opened(t, at(server, server.Bucket(), map[string]string{"prefix": "nhi"}))
	const entries, chains, writers = 1200, 40, 10
	want := []string{}
	for i := range entries {
		want = append(want, fmt.Sprintf("grant/dev%%2Fteam%%2F%02d:default/%08d", i%chains, i/chains+1))
	}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := w; i < entries; i += writers {
				if err := store.Create(t.Context(), want[i], []byte("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	slices.Sort(want)
	lists := make(chan string, 10)
	server.Fault(func(r *http.Request) testserver.Fault {
		if r.URL.Query().Get("list-type") == "2" {
			lists <- r.URL.Query().Get("prefix")
		}
		return testserver.Pass
	})
	if keys, err := store.List(t.Context(), "grant/"); err != nil || !slices.Equal(keys, want) {
		t.Errorf("%d keys, %v, want %d", len(keys), err, len(want))
	}
	if len(lists) != 2 {
		t.Errorf("%d pages, want 2", len(lists))
	}
	for len(lists) > 0 {
		<-lists
	}
	keys, err := store.List(t.Context(), "grant/dev%2Fteam%2F07:default/")
	if err != nil || len(keys) != entries/chains {
		t.Errorf("one chain: %d keys, %v", len(keys), err)
	}
	if asked := <-lists; asked != "nhi/grant/dev=2Fteam=2F07,default/" || len(lists) > 0 {
		t.Errorf("one chain: asked for %q, and %d more times", asked, len(lists))
	}
}
