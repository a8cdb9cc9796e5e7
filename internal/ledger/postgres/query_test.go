package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// Each query walks the index: the cost of one chain does not grow with others.
func TestQueriesUseTheIndex(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	opened, err := Kind().Open(t.Context(), setting.Settings{Secrets: map[string]nhi.Secret{"url": nhi.NewSecret(server.URL(""))}}, ledger.OpenOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*Store)
	t.Cleanup(func() { _ = s.Close() })
	server.Exec(`INSERT INTO nhi_ledger SELECT format('grant/%s/00000001', n), 'x' FROM generate_series(1, 5000) n; ANALYZE nhi_ledger`)
	list, args := s.listQuery("grant/77/")
	for query, args := range map[string][]any{
		list:         args,
		s.getQuery(): {"grant/77/00000001"},
	} {
		rows, err := s.pool.Query(t.Context(), "EXPLAIN "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan := strings.Join(lines, "\n")
		if err != nil || !strings.Contains(plan, "nhi_ledger_pkey") || !strings.Contains(plan, "Index Cond: ") || strings.Contains(plan, "Filter") || strings.Contains(plan, "Sort") {
			t.Errorf("%s: %v\n%s", query, err, plan)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"a": "b", "grant/": "grant0", "é": "ê", "\u007f": "\u0080", "\ud7ff": "\ue000", "a\U0010ffff": "b", "\U0010ffff": "", "": "",
	} {
		if end, ok := prefixEnd(prefix); end != want || ok != (want != "") || ok && end <= prefix {
			t.Errorf("%q: %q, %t, want %q", prefix, end, ok, want)
		}
	}
}
