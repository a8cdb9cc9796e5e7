package testserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// Fault is what becomes of a request on its way.
type Fault int

const (
	// Pass hands the request on, and the answer back.
	Pass Fault = iota
	// Refuse closes the connection; the server does not hear of the request.
	Refuse
	// Lose lets the server do what was asked, and closes the connection instead
	// of handing its answer back.
	Lose
	// Hang answers nothing, until the client has had enough or the test ends;
	// the server does not hear of the request.
	Hang
)

// proxy stands between what is under test and the server.
type proxy struct {
	address string
	server  *http.Server
	inner   *httputil.ReverseProxy
	onward  *http.Transport
	closed  chan struct{}

	mu    sync.Mutex
	fault func(request *http.Request, body []byte) (Fault, http.Handler)
}

var errLost = errors.New("the answer is lost on purpose")

// startProxy starts a proxy to target. rewrite may change what is sent on.
func startProxy(target string, rewrite func(*httputil.ProxyRequest)) (*proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{
		address: "http://" + listener.Addr().String(), closed: make(chan struct{}),
		onward: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
	}
	p.inner = &httputil.ReverseProxy{
		Transport: p.onward,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			rewrite(r)
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }() // it ends with close
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	fault, instead := p.decision(r, body)
	if instead != nil {
		instead.ServeHTTP(w, r)
		return
	}
	switch fault {
	case Refuse:
		panic(http.ErrAbortHandler)
	case Hang:
		select {
		case <-r.Context().Done():
		case <-p.closed:
		}
		panic(http.ErrAbortHandler)
	case Lose:
		lossy := *p.inner
		lossy.ModifyResponse = func(*http.Response) error { return errLost }
		lossy.ServeHTTP(w, r)
	default:
		p.inner.ServeHTTP(w, r)
	}
}

// decide has fault decide about every request: what becomes of it, or who
// answers it instead. Nil lets all of them through.
func (p *proxy) decide(fault func(request *http.Request, body []byte) (Fault, http.Handler)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

func (p *proxy) decision(request *http.Request, body []byte) (Fault, http.Handler) {
	p.mu.Lock()
	fault := p.fault
	p.mu.Unlock()
	if fault == nil {
		return Pass, nil
	}
	return fault(request, body)
}

func (p *proxy) close() {
	close(p.closed)
	_ = p.server.Close()
	p.onward.CloseIdleConnections()
}
