package s3_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/s3"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// A server that does not know the condition, or does not keep what tells whose
// an object is, holds no ledger: that is found out before the first entry, and
// when one is made.
func TestServersThatCannot(t *testing.T) {
	t.Parallel()
	for what, server := range map[string]*fakeServer{
		"overwrites": {overwrites: true}, "does not keep the metadata": {forgets: true},
	} {
		texts := server.start(t)
		store := opened(t, texts)
		for range 2 {
			if err := store.Create(t.Context(), "root/00000001", []byte("one")); err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("create: %v, want that it %s", err, what)
			}
			if what != "overwrites" {
				break // the next one finds the probe, and asks no more
			}
		}
		if got := server.names(); got != "~probe" {
			t.Errorf("it holds %s", got)
		}
	}
	texts := (&fakeServer{overwrites: true}).start(t)
	_, err := s3.Kind().Open(t.Context(), settingsOf(t, texts), ledger.OpenOptions{Now: noClock(t), Create: true})
	if err == nil || !strings.Contains(err.Error(), "overwrites") || errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("open to make one: %v", err)
	}
	if err := opened(t, (&fakeServer{}).start(t)).Create(t.Context(), "root/00000001", []byte("one")); err != nil {
		t.Errorf("one that can: %v", err)
	}
}

// The probe costs one request for each store that writes, none for one that
// reads, and is found by no list.
func TestProbe(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	texts := at(server, server.Bucket(), map[string]string{"prefix": "nhi"})
	var probes atomic.Int64
	server.Fault(func(r *http.Request) testserver.Fault {
		if strings.HasSuffix(r.URL.Path, "~probe") {
			probes.Add(1)
		}
		return testserver.Pass
	})
	wantProbes := func(what string, want int64) {
		t.Helper()
		if got := probes.Swap(0); got != want {
			t.Errorf("%s: %d requests about the probe, want %d", what, got, want)
		}
	}
	first := opened(t, texts)
	if _, err := first.List(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	wantProbes("a reader", 0)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { _ = first.Create(t.Context(), "root/00000001", []byte("root")) })
	}
	group.Wait()
	wantProbes("the first that writes", 3)
	if err := opened(t, texts).Create(t.Context(), "root/00000002", []byte("two")); err != nil {
		t.Fatal(err)
	}
	wantProbes("the next one", 1)
	made, err := s3.Kind().Open(t.Context(), settingsOf(t, texts), ledger.OpenOptions{Now: noClock(t), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	wantProbes("one that makes", 1)
	if err := made.Create(t.Context(), "root/00000003", []byte("three")); err != nil {
		t.Error(err)
	}
	wantProbes("one that has made", 0)
	if keys, err := made.List(t.Context(), ""); err != nil || len(keys) != 3 {
		t.Errorf("%q, %v", keys, err)
	}
}
