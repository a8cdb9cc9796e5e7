package testserver_test

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func TestPostgresGivesEachTestItsOwnDatabaseAndLog(t *testing.T) {
	t.Parallel()
	first, second := testserver.Postgres(t), testserver.Postgres(t)
	first.Exec("CREATE TABLE only_in_first (n int)")
	second.Exec("SELECT 'only in second'")

	if got := second.Query("SELECT count(*) FROM pg_tables WHERE tablename = $1", "only_in_first"); got[0][0] != "0" {
		t.Error("two tests share a database")
	}
	if log := first.StatementLog(); !strings.Contains(log, "only_in_first") || strings.Contains(log, "only in second") {
		t.Errorf("the log of the first test is not its own:\n%s", log)
	}
	if first.Prefix() == second.Prefix() {
		t.Error("two tests share a prefix")
	}
}

func TestPrivatePostgresStopsAndStarts(t *testing.T) {
	t.Parallel()
	server := testserver.PrivatePostgres(t)
	server.Exec("CREATE TABLE kept (n int)")
	address := net.JoinHostPort(server.Host(), strconv.Itoa(server.Port()))

	server.Stop()
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("a stopped server still accepts connections")
	}

	server.Start()
	if got := server.Query("SELECT count(*) FROM kept"); got[0][0] != "0" {
		t.Errorf("after a restart: %v", got)
	}
}

func TestPostgresChild(t *testing.T) {
	file := childFile()
	if file == "" {
		return // this is the other half of TestPostgresEndsWithAKilledTest
	}
	server := testserver.Postgres(t)
	data := server.Query("SELECT setting FROM pg_settings WHERE name = $1", "data_directory")[0][0]
	waitForTheEnd(t, file, net.JoinHostPort(server.Host(), strconv.Itoa(server.Port())), filepath.Dir(data))
}

func TestPostgresEndsWithAKilledTest(t *testing.T) {
	t.Parallel()
	testserver.Postgres(t) // skips where there is no PostgreSQL
	endsWithAKilledTest(t, "TestPostgresChild")
}
