package testserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// vaultTestHeader tells in the audit log which test a request came from.
const vaultTestHeader = "X-Nhi-Test"

// VaultFault is what becomes of a request on its way.
type VaultFault int

const (
	// VaultPass hands the request on, and the answer back.
	VaultPass VaultFault = iota
	// VaultRefuse closes the connection; Vault does not hear of the request.
	VaultRefuse
	// VaultLose lets Vault do what was asked, and closes the connection instead
	// of handing its answer back.
	VaultLose
	// VaultHang answers nothing, until the client has had enough or the test
	// ends; Vault does not hear of the request.
	VaultHang
)

// VaultRequest is a request that Fault decides about.
type VaultRequest struct {
	Method string // LIST is a method, too
	Path   string // as in the audit log: without /v1/
	Body   string
}

// vaultProxy stands between what is under test and the server.
type vaultProxy struct {
	address string
	server  *http.Server
	inner   *httputil.ReverseProxy
	onward  *http.Transport
	closed  chan struct{}

	mu    sync.Mutex
	fault func(VaultRequest) VaultFault
}

var errLost = errors.New("the answer is lost on purpose")

func startVaultProxy(target, test string) (*vaultProxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &vaultProxy{
		address: "http://" + listener.Addr().String(), closed: make(chan struct{}),
		onward: &http.Transport{DisableCompression: true},
	}
	p.inner = &httputil.ReverseProxy{
		Transport: p.onward,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Set(vaultTestHeader, test)
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }() // it ends with close
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *vaultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	request := VaultRequest{Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/v1/"), Body: string(body)}
	if request.Method == http.MethodGet && r.URL.Query().Get("list") == "true" {
		request.Method = "LIST"
	}
	switch p.decision(request) {
	case VaultRefuse:
		panic(http.ErrAbortHandler)
	case VaultHang:
		select {
		case <-r.Context().Done():
		case <-p.closed:
		}
		panic(http.ErrAbortHandler)
	case VaultLose:
		lossy := *p.inner
		lossy.ModifyResponse = func(*http.Response) error { return errLost }
		lossy.ServeHTTP(w, r)
	default:
		p.inner.ServeHTTP(w, r)
	}
}

func (p *vaultProxy) decide(fault func(VaultRequest) VaultFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

func (p *vaultProxy) decision(request VaultRequest) VaultFault {
	p.mu.Lock()
	fault := p.fault
	p.mu.Unlock()
	if fault == nil {
		return VaultPass
	}
	return fault(request)
}

func (p *vaultProxy) close() {
	close(p.closed)
	_ = p.server.Close()
	p.onward.CloseIdleConnections()
}
