package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// liar is a server that lets everybody in and then answers each round of
// messages as a test says. It returns its URL.
func liar(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = connection.Close() }()
				serve(connection)
			}()
		}
	}()
	return fmt.Sprintf("postgres://admin:s3cret-pw@%s/orders?sslmode=disable&connect_timeout=1", listener.Addr())
}

// letsIn speaks the protocol up to a session, and then hands each Sync, or
// simple query, to answer.
func letsIn(answer func(b *pgproto3.Backend, asked []pgproto3.FrontendMessage)) func(net.Conn) {
	return func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if b.Flush() != nil {
			return
		}
		var asked []pgproto3.FrontendMessage
		for {
			message, err := b.Receive()
			if err != nil {
				return
			}
			asked = append(asked, message)
			switch message.(type) {
			case *pgproto3.Sync, *pgproto3.Query:
				answer(b, asked)
				if b.Flush() != nil {
					return
				}
				asked = nil
			case *pgproto3.Terminate:
				return
			}
		}
	}
}

// empty answers that everything was done, and gives no row.
func empty(b *pgproto3.Backend, asked []pgproto3.FrontendMessage) {
	for _, message := range asked {
		switch message.(type) {
		case *pgproto3.Parse:
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Describe:
			b.Send(&pgproto3.NoData{})
		case *pgproto3.Execute, *pgproto3.Query:
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 0")})
		}
	}
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'T'})
}

// TestCase21LiarsAreBounded: a server that sends garbage, a gigabyte, rows or
// notices without end, another's answer, or nothing, is an error within the
// deadline, with bounded memory: never an account, and never "gone".
func TestCase21LiarsAreBounded(t *testing.T) {
	t.Parallel()
	row := &pgproto3.DataRow{Values: [][]byte{[]byte("1"), []byte("2")}}
	lies := map[string]func(net.Conn){
		"closes":  func(net.Conn) {},
		"garbage": func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte("garbage\n"), 1000)) },
		"silent":  func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"HTTP": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n")
		},
		"a gigabyte": func(c net.Conn) {
			_, _ = c.Write([]byte{'R', 0x3f, 0xff, 0xff, 0xff})
			part := make([]byte, 1<<20)
			for range 1 << 10 {
				if _, err := c.Write(part); err != nil {
					return
				}
			}
		},
		"notices without end": letsIn(func(b *pgproto3.Backend, _ []pgproto3.FrontendMessage) {
			for {
				b.Send(&pgproto3.NoticeResponse{Message: "wait"})
				if b.Flush() != nil {
					return
				}
			}
		}),
		"rows without end": letsIn(func(b *pgproto3.Backend, _ []pgproto3.FrontendMessage) {
			b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a")}, {Name: []byte("b")}}})
			for {
				b.Send(row)
				if b.Flush() != nil {
					return
				}
			}
		}),
		"silent after the login": letsIn(func(*pgproto3.Backend, []pgproto3.FrontendMessage) {}),
		"nothing, done":          letsIn(empty),
		"another's answer": letsIn(func(b *pgproto3.Backend, asked []pgproto3.FrontendMessage) {
			b.Send(&pgproto3.ParseComplete{})
			b.Send(&pgproto3.BindComplete{})
			b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a")}, {Name: []byte("b")}}})
			b.Send(row)
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'T'})
		}),
	}
	for what, serve := range lies {
		t.Run(what, func(t *testing.T) {
			kind, with := postgres.Kind(), settings(liar(t, serve))
			inner, err := kind.Open(t.Context(), with)
			if err != nil {
				t.Fatal(err)
			}
			c := connector.Checked(kind, "orders", with, inner, connector.WithDeadline(500*time.Millisecond, 0), connector.WithGrace(500*time.Millisecond))
			t.Cleanup(func() { _ = c.Close() })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			neverGone(t, c)
			runtime.ReadMemStats(&after)
			if took := time.Since(start); took > 40*time.Second {
				t.Errorf("it took %s", took)
			}
			if grew := (after.Sys - before.Sys) >> 20; grew > 256 {
				t.Errorf("it took %d MB", grew)
			}
		})
	}
}

// neverGone wants no answer of any method.
func neverGone(t *testing.T, c connector.Connector) {
	t.Helper()
	grant := nhi.ApprovalID("production/payments/etl/orders-etl:default")
	one := []connector.Account{{
		Mark:      nhi.Mark{Ledger: randomHex(t, 16), Grant: grant, Target: "db", Nonce: randomHex(t, 16)},
		Principal: nhi.Principal(grant, "db"), ID: "16385", Access: access("readers"), NotAfter: time.Now().Add(time.Hour), Enabled: true,
	}}
	if holdings, err := c.Read(t.Context(), one); !errors.Is(err, nhi.ErrUnreachable) {
		state := connector.State("")
		if err == nil {
			state = holdings.Of(one[0]).State
		}
		t.Errorf("read: %s, %v, want ErrUnreachable", state, err)
	}
	for name, effect := range map[string]func(context.Context, []connector.Account) []connector.Outcome{
		"revoke": c.Revoke, "prepare": c.Prepare, "enable": c.Enable, "probe": c.Probe,
	} {
		outcome := effect(t.Context(), one)[0]
		if !errors.Is(outcome.Err, nhi.ErrUnreachable) && !errors.Is(outcome.Err, nhi.ErrUnconfirmed) {
			t.Errorf("%s: %s, %v, want ErrUnreachable", name, outcome.State, outcome.Err)
		}
	}
	if lister, ok := connector.SurveyorOf(c); ok {
		if _, err := lister.Survey(t.Context()); !errors.Is(err, nhi.ErrUnreachable) {
			t.Errorf("survey: %v, want ErrUnreachable", err)
		}
	}
}
