package nhi_test

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func privilege(kind, setting string) bool {
	return kind == "postgres" && (setting == "roles" || setting == "schemas") || kind == "ssh" && setting == "principals"
}

func TestContains(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*nhi.Request)
		want   bool
	}{
		"the same":          {func(*nhi.Request) {}, true},
		"fewer targets":     {func(r *nhi.Request) { delete(r.Access, "db") }, true},
		"fewer privileges":  {func(r *nhi.Request) { r.Access["db"].Settings["roles"] = nhi.List("orders_ro") }, true},
		"shorter":           {func(r *nhi.Request) { r.TTL = time.Hour }, true},
		"longer":            {func(r *nhi.Request) { r.TTL += time.Second }, false},
		"no targets":        {func(r *nhi.Request) { r.Access = nhi.Accesses{} }, false},
		"more targets":      {func(r *nhi.Request) { r.Access["db2"] = r.Access["db"] }, false},
		"more privileges":   {func(r *nhi.Request) { r.Access["db"].Settings["roles"] = nhi.List("orders_ro", "orders_rw") }, false},
		"other privilege":   {func(r *nhi.Request) { r.Access["db"].Settings["roles"] = nhi.List("orders_rw") }, false},
		"empty list":        {func(r *nhi.Request) { r.Access["box"].Settings["principals"] = nhi.List() }, false},
		"list becomes text": {func(r *nhi.Request) { r.Access["db"].Settings["roles"] = nhi.Text("orders_ro") }, false},
		"other plain value": {func(r *nhi.Request) { r.Access["box"].Settings["source_address"] = nhi.Text("10.0.0.0/8") }, false},
		"setting too many":  {func(r *nhi.Request) { r.Access["db"].Settings["more"] = nhi.Text("") }, false},
		"setting missing":   {func(r *nhi.Request) { delete(r.Access["db"].Settings, "schemas") }, false},
		"setting exchanged": {func(r *nhi.Request) {
			delete(r.Access["db"].Settings, "schemas")
			r.Access["db"].Settings["other"] = nhi.List()
		}, false},
		"other endpoint":      {func(r *nhi.Request) { a := r.Access["db"]; a.Endpoint = "evil:5432/x"; r.Access["db"] = a }, false},
		"other system":        {func(r *nhi.Request) { a := r.Access["db"]; a.System = "other"; r.Access["db"] = a }, false},
		"other kind":          {func(r *nhi.Request) { a := r.Access["db"]; a.Kind = "ssh"; r.Access["db"] = a }, false},
		"other ledger":        {func(r *nhi.Request) { r.Ledger = sampleNonce }, false},
		"other approval":      {func(r *nhi.Request) { r.Approval += "2" }, false},
		"other term":          {func(r *nhi.Request) { r.Term++ }, false},
		"other owner":         {func(r *nhi.Request) { r.Owner = "x" }, false},
		"other purpose":       {func(r *nhi.Request) { r.Purpose = "x" }, false},
		"other identity kind": {func(r *nhi.Request) { r.Kind = nhi.KindAgent }, false},
		"reusable":            {func(r *nhi.Request) { r.ReusableUntil = sampleSigned }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := sampleRequest()
			c.change(&other)
			if got := sampleRequest().Contains(other, privilege); got != c.want {
				t.Errorf("Contains = %v, want %v", got, c.want)
			}
		})
	}
}
