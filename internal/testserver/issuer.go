package testserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// IssuerServer is a real issuer of OpenID Connect tokens on loopback: it
// serves its discovery document and its keys, and signs. It ends with the test.
type IssuerServer struct {
	t      testing.TB
	server *httptest.Server

	mu      sync.Mutex
	keys    []jose.JSONWebKey // the newest is last, and signs
	granted map[string]any    // claims of the tokens that Exchange gives out
	fault   func(w http.ResponseWriter, r *http.Request) bool
	fetches int
}

// Issuer starts an issuer over plain http.
func Issuer(t testing.TB) *IssuerServer { return startIssuer(t, (*httptest.Server).Start) }

// TLSIssuer starts an issuer over https, whose authority is in CAFile.
func TLSIssuer(t testing.TB) *IssuerServer { return startIssuer(t, (*httptest.Server).StartTLS) }

func startIssuer(t testing.TB, start func(*httptest.Server)) *IssuerServer {
	t.Helper()
	s := &IssuerServer{t: t}
	s.Rotate()
	s.server = httptest.NewUnstartedServer(s)
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that distrust it are part of the test
	start(s.server)
	t.Cleanup(s.server.Close)
	return s
}

// URL is the issuer's name, as its tokens write it.
func (s *IssuerServer) URL() string { return s.server.URL }

// CAFile returns a file with the certificate that clients of a TLSIssuer must
// trust; SSL_CERT_FILE can name it.
func (s *IssuerServer) CAFile() string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "issuer-ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// Rotate makes a new key, which signs from now on; the one before stays
// published.
func (s *IssuerServer) Rotate() {
	s.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.t.Fatal(err)
	}
	s.add(key, string(jose.RS256))
}

// RotateEC is Rotate to a key that signs with ES256.
func (s *IssuerServer) RotateEC() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	s.add(key, string(jose.ES256))
}

func (s *IssuerServer) add(key any, algorithm string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, jose.JSONWebKey{Key: key, KeyID: "key-" + strconv.Itoa(len(s.keys)+1), Algorithm: algorithm, Use: "sig"})
}

// Forget stops publishing all keys but the newest.
func (s *IssuerServer) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[len(s.keys)-1:]
}

// JWKS is the issuer's key set, as a policy may pin it.
func (s *IssuerServer) JWKS() string {
	s.t.Helper()
	data, err := json.Marshal(s.set())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// PolicyKeys are the issuer's keys as the blocks of a policy that pins them.
func (s *IssuerServer) PolicyKeys() string {
	s.t.Helper()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal([]byte(s.JWKS()), &set); err != nil {
		s.t.Fatal(err)
	}
	var blocks strings.Builder
	for _, key := range set.Keys {
		fmt.Fprintf(&blocks, "key %q {\n", key["kid"])
		delete(key, "kid")
		for _, name := range slices.Sorted(maps.Keys(key)) {
			fmt.Fprintf(&blocks, "  %s = %q\n", name, key[name])
		}
		blocks.WriteString("}\n")
	}
	return blocks.String()
}

func (s *IssuerServer) set() jose.JSONWebKeySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, key := range s.keys {
		set.Keys = append(set.Keys, key.Public())
	}
	return set
}

// Token signs claims. The issuer, and times around now, are filled in where
// the claims do not have them.
func (s *IssuerServer) Token(claims map[string]any) string {
	s.t.Helper()
	now := time.Now()
	all := map[string]any{"iss": s.URL(), "sub": "test", "iat": now.Add(-time.Second).Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	for name, value := range claims {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	s.mu.Lock()
	key := s.keys[len(s.keys)-1]
	s.mu.Unlock()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(all).Serialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// Fault answers requests itself where it returns true; nil ends that.
func (s *IssuerServer) Fault(fault func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Cut answers nobody until Fault(nil).
func (s *IssuerServer) Cut() {
	s.Fault(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
}

// Fetches is how often the keys were asked for.
func (s *IssuerServer) Fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// ServeHTTP implements http.Handler.
func (s *IssuerServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.fault
	if r.URL.Path == "/keys" {
		s.fetches++
	}
	s.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		s.answer(w, map[string]any{
			"issuer": s.URL(), "jwks_uri": s.URL() + "/keys", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
		})
	case "/keys":
		s.answer(w, s.set())
	case "/exchange":
		s.exchange(w, r)
	default:
		http.NotFound(w, r)
	}
}

// exchangeSecret is what a job shows to get a token.
const exchangeSecret = "job-s3cret"

// Exchange gives tokens with these claims to jobs, as the runners of GitHub
// Actions do, for the audience that is asked for. It returns the variables that
// a job has.
func (s *IssuerServer) Exchange(claims map[string]any) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted = claims
	return []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + s.URL() + "/exchange?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + exchangeSecret}
}

func (s *IssuerServer) exchange(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	claims := maps.Clone(s.granted)
	s.mu.Unlock()
	if claims == nil || r.Header.Get("Authorization") != "Bearer "+exchangeSecret || r.URL.Query().Get("api-version") != "2.0" {
		http.Error(w, "no job", http.StatusUnauthorized)
		return
	}
	claims["aud"] = "https://example.com/default"
	if audience := r.URL.Query().Get("audience"); audience != "" {
		claims["aud"] = audience
	}
	s.answer(w, map[string]any{"value": s.Token(claims)})
}

func (s *IssuerServer) answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.t.Log(err)
	}
}
