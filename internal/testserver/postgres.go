package testserver

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresAdmin is the superuser of every cluster that is started here.
const postgresAdmin = "nhi_admin"

// PostgresServer is one test's view of a real PostgreSQL on loopback: a
// database of its own, and a prefix for role names, since roles are shared by
// all databases of a cluster. Host connections need a SCRAM-SHA-256 password.
// Every statement is logged.
type PostgresServer struct {
	t        testing.TB
	cluster  *postgresCluster
	database string
	prefix   string
	private  bool
}

// sharedPostgres is the one cluster of this test process: starting one costs
// seconds. It ends when the process does, however it does (see postgresCluster).
var sharedPostgres struct {
	sync.Once
	cluster *postgresCluster
	err     error
}

var postgresTests atomic.Int64

// Postgres returns a fresh database on the cluster that all tests of this
// process share. It skips the test where PostgreSQL is not installed, with a
// reason (and fails it where NHI_REQUIRE_SERVERS is 1).
func Postgres(t testing.TB) *PostgresServer {
	t.Helper()
	control := requirePostgres(t)
	shared := &sharedPostgres
	shared.Do(func() { shared.cluster, shared.err = startPostgres(control) })
	if shared.err != nil {
		t.Fatalf("PostgreSQL did not start: %v", shared.err)
	}
	return newPostgresServer(t, shared.cluster, false)
}

// PrivatePostgres starts a cluster for one test alone, which may Stop and
// Start it. It ends with the test.
func PrivatePostgres(t testing.TB) *PostgresServer {
	t.Helper()
	cluster, err := startPostgres(requirePostgres(t))
	if err != nil {
		t.Fatalf("PostgreSQL did not start: %v", err)
	}
	t.Cleanup(cluster.close)
	return newPostgresServer(t, cluster, true)
}

func newPostgresServer(t testing.TB, cluster *postgresCluster, private bool) *PostgresServer {
	t.Helper()
	number := strconv.FormatInt(postgresTests.Add(1), 10)
	s := &PostgresServer{t: t, cluster: cluster, private: private, database: "test" + number, prefix: "t" + number + "_"}
	if _, err := cluster.run(t.Context(), "postgres", "CREATE DATABASE "+s.database); err != nil {
		t.Fatalf("create database: %v", err)
	}
	return s
}

// Database names this test's own database.
func (s *PostgresServer) Database() string { return s.database }

// Prefix starts the names of this test's own roles: no other test of the
// process has it.
func (s *PostgresServer) Prefix() string { return s.prefix }

// Host is the address that the server listens on.
func (s *PostgresServer) Host() string { return s.cluster.host() }

// Port is the server's TCP port.
func (s *PostgresServer) Port() int { return s.cluster.port }

// Password is the password of the superuser in URL: a test can look for it
// where no secret may be.
func (s *PostgresServer) Password() string { return s.cluster.password }

// URL is the superuser's URL for a database; "" means this test's own.
func (s *PostgresServer) URL(database string) string {
	if database == "" {
		database = s.database
	}
	return s.cluster.url(postgresAdmin, s.cluster.password, database)
}

// UserURL is the URL of another role for this test's own database.
func (s *PostgresServer) UserURL(user, password string) string {
	return s.cluster.url(user, password, s.database)
}

// Exec runs statements in this test's own database as superuser; an error
// fails the test.
func (s *PostgresServer) Exec(sql string) {
	s.t.Helper()
	if _, err := s.cluster.run(s.t.Context(), s.database, sql); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// Query returns the rows of one statement in this test's own database, as
// text ("" for NULL); an error fails the test.
func (s *PostgresServer) Query(sql string, args ...any) [][]string {
	s.t.Helper()
	rows, err := s.cluster.run(s.t.Context(), s.database, sql, args...)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// StatementLog returns what the server has logged so far of sessions in this
// test's own database: every statement and its parameters, each on a line.
func (s *PostgresServer) StatementLog() string {
	s.t.Helper()
	data, err := os.ReadFile(s.cluster.log)
	if err != nil {
		s.t.Fatalf("statement log: %v", err)
	}
	var kept strings.Builder
	ours := false
	for line := range strings.Lines(string(data)) {
		// The second and later lines of an entry start with a tab.
		if !strings.HasPrefix(line, "\t") {
			ours = strings.HasPrefix(line, "db="+s.database+" ")
		}
		if ours {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// Stop shuts a private server down, ending all sessions. Nothing answers on
// its port until Start.
func (s *PostgresServer) Stop() {
	s.t.Helper()
	s.order("stop")
}

// Start brings a private server up again, on the same port.
func (s *PostgresServer) Start() {
	s.t.Helper()
	s.order("start")
}

// SetAccess rewrites who may log in over TCP, as lines of pg_hba.conf, on
// a private server, such as "host shop ana 127.0.0.1/32 trust". The server
// reads them again a moment later.
func (s *PostgresServer) SetAccess(lines ...string) {
	s.t.Helper()
	if !s.private {
		s.t.Fatal("only a private PostgreSQL can be changed: use PrivatePostgres")
	}
	if err := os.WriteFile(s.cluster.file("pg_hba.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.order("reload")
}

func (s *PostgresServer) order(command string) {
	s.t.Helper()
	if !s.private {
		s.t.Fatal("only a private PostgreSQL can be changed: use PrivatePostgres")
	}
	if err := s.cluster.order(command); err != nil {
		s.t.Fatalf("PostgreSQL %s: %v", command, err)
	}
}

func (c *postgresCluster) host() string { return "127.0.0.1" }

func (c *postgresCluster) url(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: net.JoinHostPort(c.host(), strconv.Itoa(c.port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// run executes SQL as superuser on a connection of its own.
func (c *postgresCluster) run(ctx context.Context, database, sql string, args ...any) ([][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url(postgresAdmin, c.password, database))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if len(args) == 0 {
		return c.runSimple(ctx, conn, sql)
	}
	rows, err := conn.Query(ctx, sql, append([]any{pgx.QueryExecModeExec, pgx.QueryResultFormats{pgx.TextFormatCode}}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]string
	for rows.Next() {
		row := []string{}
		for _, value := range rows.RawValues() {
			row = append(row, string(value))
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// runSimple takes several statements in one text, and returns the rows of all.
func (c *postgresCluster) runSimple(ctx context.Context, conn *pgx.Conn, sql string) ([][]string, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	var out [][]string
	for _, result := range results {
		for _, values := range result.Rows {
			row := []string{}
			for _, value := range values {
				row = append(row, string(value))
			}
			out = append(out, row)
		}
	}
	return out, nil
}
