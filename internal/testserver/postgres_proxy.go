package testserver

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// PostgresProxy stands before a PostgreSQL, and loses the answers to commits on
// demand: the server commits, and the client's connection ends instead of
// hearing of it.
type PostgresProxy struct {
	Port   int
	target string
	lose   atomic.Int64
	lost   atomic.Int64
}

// Proxy starts a proxy before the server. It ends with the test.
func (s *PostgresServer) Proxy(t testing.TB) *PostgresProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	address, _ := listener.Addr().(*net.TCPAddr)
	p := &PostgresProxy{Port: address.Port, target: net.JoinHostPort(s.Host(), strconv.Itoa(s.Port()))}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// URL is a URL of the server by way of the proxy.
func (p *PostgresProxy) URL(direct string) string {
	return strings.Replace(direct, p.target, net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)), 1)
}

// LoseCommits loses the answers to the next n commits.
func (p *PostgresProxy) LoseCommits(n int) { p.lose.Store(int64(n)) }

// Lost counts the answers that were lost.
func (p *PostgresProxy) Lost() int { return int(p.lost.Load()) }

func (p *PostgresProxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	var once sync.Once
	end := func() { once.Do(func() { _ = client.Close(); _ = server.Close() }) }
	defer end()
	var committing atomic.Bool
	go func() {
		defer end()
		buffer := make([]byte, 64<<10)
		for {
			n, err := client.Read(buffer)
			if bytes.Contains(buffer[:n], []byte("commit\x00")) && p.lose.Add(-1) >= 0 {
				committing.Store(true)
			}
			if _, failed := server.Write(buffer[:n]); err != nil || failed != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if committing.Load() && bytes.Contains(buffer[:n], []byte("COMMIT\x00")) {
			p.lost.Add(1)
			return
		}
		if _, failed := client.Write(buffer[:n]); err != nil || failed != nil {
			_, _ = io.Copy(io.Discard, server)
			return
		}
	}
}
