package local_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
)

// envRead names a ledger that the test binary, started as another process that
// may not write, reads.
const envRead = "NHI_LOCAL_TEST_READ"

// envWrite names a ledger that it writes a few entries to, while it is killed.
const envWrite = "NHI_LOCAL_TEST_WRITE"

const sharedChain = "grant/shared"

func TestMain(m *testing.M) {
	for variable, act := range map[string]func(string) error{envRead: readAll, envWrite: writeFew} {
		path := os.Getenv(variable)
		if path == "" {
			continue
		}
		if err := act(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	storetest.Main(m, byName)
}

// byName opens the ledger in a folder, as every process does.
func byName(path string) (ledger.Store, error) { return local.Open(path, time.Now, false) }

func TestProcesses(t *testing.T) {
	t.Parallel()
	storetest.RunProcesses(t, byName, func(t *testing.T) string { return filepath.Join(t.TempDir(), ".nhi") })
}

// readAll opens the ledger as somebody who may not write.
func readAll(path string) error {
	store, err := local.Open(path, time.Now, true)
	if err != nil {
		return err
	}
	l, err := ledger.Open(context.Background(), store, "test")
	if err != nil {
		return err
	}
	chain, err := l.Read(context.Background(), sharedChain)
	if err != nil {
		return err
	}
	fmt.Println("read", len(chain.Entries))
	_, err = l.Append(context.Background(), chain, ledger.BlockBody{})
	fmt.Println("append:", err)
	return l.Close()
}
