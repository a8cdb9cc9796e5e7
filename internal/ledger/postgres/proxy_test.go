package postgres_test

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a store and its server. cut is asked about all that the
// server says, and returns how much of it the client still hears before its
// connection ends; -1 is all of it, and goes on.
type proxy struct {
	listener net.Listener
	server   string
	cut      func(said []byte) int
}

// through returns the URL that leads to the same server through a proxy.
func through(t *testing.T, address string, cut func(said []byte) int) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: u.Host, cut: cut}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	u.Host = listener.Addr().String()
	return u.String()
}

func (p *proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	go func() {
		defer func() { _ = server.Close() }()
		pump(server, client, func([]byte) int { return -1 })
	}()
	pump(client, server, p.cut)
}

func pump(to, from net.Conn, cut func(said []byte) int) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		said := buffer[:n]
		end := cut(said)
		if end >= 0 {
			said = said[:end]
		}
		if _, writeErr := to.Write(said); writeErr != nil || err != nil || end >= 0 {
			return
		}
	}
}
