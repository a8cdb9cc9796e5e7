package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// guard is what an administrator runs once: the table with its trigger, an
// owner that nobody logs in as, and two roles, of which one may also insert. It
// may be run again, before `nhi init` or after it. Empty where the table's name
// is none.
func guard(settings setting.Settings) string {
	t, err := tableOf(settings)
	if err != nil {
		return ""
	}
	role := func(what string) string { return pgx.Identifier{t.name + "_" + what}.Sanitize() }
	return fmt.Sprintf(`-- As a superuser, in the ledger's database. It may be run again.
BEGIN;
%[1]sDO $$ BEGIN
  IF to_regrole('%[4]s') IS NULL THEN CREATE ROLE %[4]s NOLOGIN; END IF;
  IF to_regrole('%[5]s') IS NULL THEN CREATE ROLE %[5]s NOLOGIN; END IF;
  IF to_regrole('%[6]s') IS NULL THEN CREATE ROLE %[6]s NOLOGIN; END IF;
END $$;
ALTER TABLE %[2]s OWNER TO %[4]s;
ALTER FUNCTION %[3]s() OWNER TO %[4]s;
REVOKE ALL ON TABLE %[2]s FROM PUBLIC, %[5]s, %[6]s;
GRANT SELECT, INSERT ON TABLE %[2]s TO %[5]s;
GRANT SELECT ON TABLE %[2]s TO %[6]s;
GRANT USAGE ON SCHEMA %[7]s TO %[5]s, %[6]s;
COMMIT;
-- Then, for each login of runs and approvers:  GRANT %[5]s TO the_login;
-- and for each login of auditors:              GRANT %[6]s TO the_login;
`, t.create(), t.quoted(), t.function(), role("owner"), role("writer"), role("reader"), pgx.Identifier{t.schema}.Sanitize())
}
