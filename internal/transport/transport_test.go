package transport_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/transport"
)

func TestAnAnswerHasABound(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 10)) }))
	t.Cleanup(server.Close)
	for most, want := range map[int64]error{9: transport.ErrTooLong, 10: nil} {
		client := http.Client{Transport: transport.Bounded{Transport: &http.Transport{}, Most: transport.Always(most)}}
		t.Cleanup(client.CloseIdleConnections)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if !errors.Is(err, want) || want == nil && len(data) != 10 {
			t.Errorf("%d bytes allowed: %d read, %v", most, len(data), err)
		}
	}
}

// What is no file of certificates is refused, and nothing is waited for.
func TestTrustWantsAFileOfCertificates(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{text, t.TempDir(), os.DevNull, text + "-gone"} {
		if _, err := transport.Trust(file); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if trust, err := transport.Trust(""); err != nil || trust.RootCAs != nil {
		t.Errorf("none is named: %v, %v", trust, err)
	}
}
