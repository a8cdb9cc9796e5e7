package ledger

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// FuzzDecodeRecord reads any file of a spool: what is taken is written again as
// the same bytes.
func FuzzDecodeRecord(f *testing.F) {
	id := strings.Repeat("0a", 16)
	target := Target{System: "orders", Kind: "postgres", Access: nhi.Values{"roles": nhi.List("orders_ro")}, NotAfter: time.Unix(1_900_000_000, 0)}
	for _, bodies := range [][]Body{
		{IntentBody{Verb: VerbRevoke, Targets: map[string]Target{"db": target}}, VerificationBody{Epoch: 1, Targets: map[string]Verified{"db": {State: "absent"}}}},
		{BlockBody{Reason: "laptop stolen", By: "ana@example.com"}},
		{EffectBody{Epoch: 3, Step: "revoke"}, UseBody{Epoch: 3}},
	} {
		data, err := encodeRecord(id, "grant/production%2Fetl:default", bodies)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data, id)
		if err != nil {
			if !errors.Is(err, nhi.ErrInvalid) && !errors.Is(err, nhi.ErrNotCanonical) && !errors.Is(err, ErrUnknownEntry) {
				t.Errorf("%v is of no known kind", err)
			}
			return
		}
		var bodies []Body
		for _, spooled := range r.Bodies {
			bodies = append(bodies, spooled.body)
		}
		if again, err := encodeRecord(r.Ledger, r.Chain, bodies); err != nil || !bytes.Equal(again, data) {
			t.Errorf("read %q and wrote %q, %v", data, again, err)
		}
	})
}
