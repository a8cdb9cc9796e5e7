package workload_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// A golden file is written once. To change what a proof signs is to void every
// proof that was ever recorded: make another kind instead.
var golden = flag.Bool("golden", false, "write the golden file that is missing")

// recorded is a proof as it stands in a ledger, and what it is verified with.
type recorded struct {
	Issuer workload.Issuer
	Text   string
	At     time.Time
	Proof  workload.Proof
}

func TestGoldenProof(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "proof.json")
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) && *golden {
		data, err = written(t, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	var was recorded
	if err := json.Unmarshal(data, &was); err != nil {
		t.Fatal(err)
	}
	keys, err := workload.ParseKeys(was.Issuer.Keys)
	if err != nil {
		t.Fatal(err)
	}
	token, err := was.Proof.Verify(was.Issuer, keys, was.At, was.Text)
	if err != nil || token.Claims["actor_id"] != "4711" {
		t.Errorf("a proof that was recorded does not count any more: %+v, %v", token, err)
	}
}

func written(t *testing.T, path string) ([]byte, error) {
	t.Helper()
	issuer := testserver.Issuer(t)
	at := time.Now().UTC().Truncate(time.Second)
	made := recorded{Issuer: workload.Issuer{URL: issuer.URL(), Audiences: []string{"nhi"}, Keys: issuer.JWKS()}, Text: asked, At: at}
	keys, err := workload.ParseKeys(made.Issuer.Keys)
	if err != nil {
		return nil, err
	}
	raw := nhi.NewSecret(issuer.Token(map[string]any{"aud": "nhi", "actor_id": 4711}))
	if made.Proof, err = made.Issuer.Prove(keys, raw, at, asked); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return nil, err
	}
	return data, os.WriteFile(path, append(data, '\n'), 0o600)
}
