package provider_test

import (
	"strings"
	"testing"
)

// TestTroubleAtRunTime: what only apply can find is said clearly, and nothing
// is lost.
func TestTroubleAtRunTime(t *testing.T) {
	t.Parallel()
	t.Run("no ledger", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.policy(1, "", twoOfSecurity)
		w.Write(t, "main.tf", strings.Replace(w.providerBlock(""), `".nhi"`, `"nowhere"`, 1)+grantOf("720h", externalAccess))
		wants(t, w.Apply(t), 1, "nhi init")
		if w.read("nowhere/ledger.db") != "" {
			t.Error("the provider made a ledger")
		}
	})
	t.Run("wrong credentials", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		good := l.Env
		l.Env = append(l.Env, "TF_VAR_orders_url="+strings.Replace(l.db.URL(""), l.db.Password(), "wrong-password", 1))
		failed := l.Apply(t)
		wants(t, failed, 1, "Access not granted", "orders", "password authentication failed")
		refuses(t, failed, "wrong-password")
		l.Env = good
		wants(t, l.Apply(t), 0, "active = true")
	})
	t.Run("system unreachable", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, true)
		l.db.Stop()
		wants(t, l.Apply(t), 1, "Access not granted", "orders")
		l.db.Start()
		wants(t, l.Apply(t), 0, "active = true")
	})
}
