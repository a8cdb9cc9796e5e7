package testserver

import (
	"net/http"
	"net/http/httputil"
	"strings"
)

// vaultTestHeader tells in the audit log which test a request came from.
const vaultTestHeader = "X-Nhi-Test"

// VaultFault is what becomes of a request on its way to Vault.
type VaultFault = Fault

// The faults, by the names that tests of Vault use.
const (
	VaultPass   = Pass
	VaultRefuse = Refuse
	VaultLose   = Lose
	VaultHang   = Hang
)

// VaultRequest is a request that Fault decides about.
type VaultRequest struct {
	Method string // LIST is a method, too
	Path   string // as in the audit log: without /v1/
	Body   string
}

func startVaultProxy(target, test string) (*proxy, error) {
	return startProxy(target, func(r *httputil.ProxyRequest) { r.Out.Header.Set(vaultTestHeader, test) })
}

// Fault decides what becomes of each request that comes through Address; nil
// lets all of them through. What hangs from an earlier Fault goes on hanging.
func (s *VaultServer) Fault(decide func(VaultRequest) VaultFault) {
	if decide == nil {
		s.proxy.decide(nil)
		return
	}
	s.proxy.decide(func(r *http.Request, body []byte) (Fault, http.Handler) {
		request := VaultRequest{Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/v1/"), Body: string(body)}
		if request.Method == http.MethodGet && r.URL.Query().Get("list") == "true" {
			request.Method = "LIST"
		}
		return decide(request), nil
	})
}
