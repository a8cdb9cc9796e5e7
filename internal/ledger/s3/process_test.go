package s3_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/s3"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func TestMain(m *testing.M) { storetest.Main(m, byName) }

// byName opens settings that are written as JSON, as another process does.
func byName(place string) (ledger.Store, error) {
	texts, values := map[string]string{}, nhi.Values{}
	if err := json.Unmarshal([]byte(place), &texts); err != nil {
		return nil, err
	}
	for name, text := range texts {
		values[name] = nhi.Text(text)
	}
	complete, errs := setting.Complete(s3.Kind().Settings, values)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return s3.Kind().Open(context.Background(), setting.Split(s3.Kind().Settings, complete), ledger.OpenOptions{Now: time.Now})
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	storetest.RunProcesses(t, byName, func(t *testing.T) string {
		place, err := json.Marshal(at(server, server.Bucket(), nil))
		if err != nil {
			t.Fatal(err)
		}
		return string(place)
	})
}

// A writer whose request hangs holds nobody up.
func TestSubjectsDoNotWait(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	texts := at(server, server.Bucket(), nil)
	storetest.RunHeld(t, func() (ledger.Store, error) { return open(t.Context(), t, texts) }, func(t *testing.T, key string) func() error {
		store, held := opened(t, texts), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var once sync.Once
		server.Fault(func(r *http.Request) testserver.Fault {
			fault := testserver.Pass
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "s00") {
				once.Do(func() { fault = testserver.Hang; close(held) })
			}
			return fault
		})
		result := make(chan error, 1)
		go func() { result <- store.Create(ctx, key, []byte("first")) }()
		<-held
		return func() error {
			cancel()
			return <-result
		}
	})
}

// Requests and answers are lost while clients work: each answer that came is
// still that of one store.
func TestLinearizableWhileAnswersAreLost(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	texts := at(server, server.Bucket(), nil)
	storetest.Linearizable(t, func() (ledger.Store, error) {
		server.Restore()
		defer server.Fault(func(*http.Request) testserver.Fault {
			switch rand.N(10) {
			case 0:
				return testserver.Lose
			case 1:
				return testserver.Refuse
			default:
				return testserver.Pass
			}
		})
		return open(t.Context(), t, texts)
	}, true)
}
