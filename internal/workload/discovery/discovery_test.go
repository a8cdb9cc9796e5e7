package discovery_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/discovery"
)

func trusted(issuer *testserver.IssuerServer) workload.Issuer {
	return workload.Issuer{URL: issuer.URL(), Audiences: []string{"nhi"}}
}

func token(issuer *testserver.IssuerServer) nhi.Secret {
	return nhi.NewSecret(issuer.Token(map[string]any{"aud": "nhi"}))
}

func TestKeysAreFetchedOnceAndAgainForANewOne(t *testing.T) {
	t.Parallel()
	issuer, found := testserver.Issuer(t), discovery.New(nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := found.Verify(t.Context(), trusted(issuer), token(issuer), time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := issuer.Fetches(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	issuer.Rotate()
	for range 2 {
		if _, err := found.Verify(t.Context(), trusted(issuer), token(issuer), time.Now()); err != nil {
			t.Errorf("after a rotation: %v", err)
		}
	}
	if n := issuer.Fetches(); n != 2 {
		t.Errorf("after a rotation, the keys were fetched %d times", n)
	}
}

func TestPinnedKeysAskNobody(t *testing.T) {
	t.Parallel()
	issuer, found := testserver.Issuer(t), discovery.New(nil)
	pinned := trusted(issuer)
	pinned.Keys = issuer.JWKS()
	issuer.Cut()
	if _, err := found.Verify(t.Context(), pinned, token(issuer), time.Now()); err != nil {
		t.Error(err)
	}
	issuer.Rotate()
	if _, err := found.Verify(t.Context(), pinned, token(issuer), time.Now()); !errors.Is(err, workload.ErrUnknownKey) {
		t.Errorf("a key that is not pinned: %v", err)
	}
	if n := issuer.Fetches(); n != 0 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

func TestOnlyATrustedServerIsBelieved(t *testing.T) {
	t.Parallel()
	issuer := testserver.TLSIssuer(t)
	if _, err := discovery.New(nil).Keys(t.Context(), trusted(issuer)); !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("an unknown authority: %v", err)
	}
	authority, err := os.ReadFile(issuer.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	found := discovery.New(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	if _, err := found.Verify(t.Context(), trusted(issuer), token(issuer), time.Now()); err != nil {
		t.Error(err)
	}
}

// Whatever is no clear answer is an error, and is not remembered.
func TestABadAnswerProvesNothing(t *testing.T) {
	t.Parallel()
	other := testserver.Issuer(t)
	const document = "/.well-known/openid-configuration"
	answers := func(path, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, body)
			return true
		}
	}
	for name, fault := range map[string]func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool{
		"cut": func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
		},
		"another issuer's document": func(s *testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return answers(document, fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, other.URL(), s.URL()+"/keys"))
		},
		"no keys named": func(s *testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return answers(document, fmt.Sprintf(`{"issuer":%q}`, s.URL()))
		},
		"keys over plain http": func(s *testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return answers(document, fmt.Sprintf(`{"issuer":%q,"jwks_uri":"http://localhost/keys"}`, s.URL()))
		},
		"keys in a file": func(s *testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return answers(document, fmt.Sprintf(`{"issuer":%q,"jwks_uri":"file:///etc/keys"}`, s.URL()))
		},
		"no set": func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return answers("/keys", `<html>`)
		},
		"no key": func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return answers("/keys", `{"keys":[]}`)
		},
		"too long": func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return answers("/keys", strings.Repeat(" ", 1<<20))
		},
		"too long a document": func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return answers(document, strings.Repeat(" ", 1<<20))
		},
		"not found": func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				http.NotFound(w, r)
				return true
			}
		},
		"elsewhere": func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, other.URL()+r.URL.Path, http.StatusFound)
				return true
			}
		},
		"keys elsewhere": func(*testserver.IssuerServer) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/keys" {
					return false
				}
				http.Redirect(w, r, other.URL()+"/keys", http.StatusFound)
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer, found := testserver.Issuer(t), discovery.New(nil)
			issuer.Fault(fault(issuer))
			if _, err := found.Verify(t.Context(), trusted(issuer), token(issuer), time.Now()); !errors.Is(err, nhi.ErrUnreachable) {
				t.Errorf("error is %v", err)
			}
			issuer.Fault(nil)
			if _, err := found.Verify(t.Context(), trusted(issuer), token(issuer), time.Now()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	if other.Fetches() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	issuer, found := testserver.Issuer(t), discovery.New(nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	issuer.Fault(func(http.ResponseWriter, *http.Request) bool {
		once.Do(func() { close(asked) })
		<-answer
		return false
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := found.Keys(ctx, trusted(issuer)); !errors.Is(err, nhi.ErrUnreachable) || !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	close(answer) // whoever waits still gets the answer that was asked for
	if _, err := found.Keys(t.Context(), trusted(issuer)); err != nil {
		t.Error(err)
	}
}
