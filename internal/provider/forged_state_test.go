package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// forgeMemory changes what the state remembers of the grant.
func (w *world) forgeMemory(change func(record map[string]any)) {
	w.t.Helper()
	var state map[string]any
	must(w.t, json.Unmarshal([]byte(w.read("terraform.tfstate")), &state))
	for _, resource := range state["resources"].([]any) {
		of := resource.(map[string]any)
		if of["type"] != "nhi_grant" {
			continue
		}
		instance := of["instances"].([]any)[0].(map[string]any)
		private, err := base64.StdEncoding.DecodeString(instance["private"].(string))
		must(w.t, err)
		kept := map[string][]byte{}
		must(w.t, json.Unmarshal(private, &kept))
		memory := map[string]any{}
		must(w.t, json.Unmarshal(kept["nhi"], &memory))
		change(memory["record"].(map[string]any))
		kept["nhi"], err = json.Marshal(memory)
		must(w.t, err)
		private, err = json.Marshal(kept)
		must(w.t, err)
		instance["private"] = base64.StdEncoding.EncodeToString(private)
	}
	state["serial"] = state["serial"].(float64) + 1
	data, err := json.Marshal(state)
	must(w.t, err)
	w.Write(w.t, "terraform.tfstate", string(data))
}

// TestForgedPrivateState: whoever writes the state can name a role and its OID,
// and even make the ledger look cut short. Destroy touches no role for that:
// only the mark says what is ours, now and when the removal is on record.
func TestForgedPrivateState(t *testing.T) {
	t.Parallel()
	t.Run("a victim", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		victim := l.db.Prefix() + "victim"
		l.db.Exec(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'mine' IN ROLE %s", victim, l.role()))
		oid := l.db.Query("SELECT oid::text FROM pg_roles WHERE rolname = $1", victim)[0][0]
		l.forgeMemory(func(record map[string]any) {
			record["head"] = nhi.Head{Seq: 1, Hash: nhi.DigestOf("no entry of this chain")}
			targets := record["targets"].(map[string]any)
			forged := map[string]any{}
			for name, value := range targets["db"].(map[string]any) {
				forged[name] = value
			}
			forged["principal"], forged["id"], forged["nonce"] = victim, oid, "0123456789abcdef0123456789abcdef"
			record["targets"] = map[string]any{"db": forged}
		})
		for range 2 {
			wants(t, l.Destroy(t), 1, "not confirmed as removed", victim)
			if !l.postgresWorks(l.db.UserURL(victim, "mine")) {
				t.Fatal("the victim does not work any more")
			}
		}
		l.allGone() // what the ledger knows is removed all the same
	})
	t.Run("another ledger", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		l.forgeMemory(func(record map[string]any) {
			record["ledger"], record["targets"] = "ffffffffffffffffffffffffffffffff", map[string]any{}
		})
		wants(t, l.Destroy(t), 1, "can say what")
		if roles := l.roles(); len(roles) != 1 {
			t.Errorf("roles: %v", roles)
		}
	})
}
