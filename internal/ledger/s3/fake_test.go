package s3_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fakeServer is a server that does less than it must. A real one that does is
// not to be had.
type fakeServer struct {
	bucket string
	// overwrites: If-None-Match is a word that it does not know.
	overwrites bool
	// forgets: it keeps no metadata.
	forgets bool

	mu      sync.Mutex
	instead http.HandlerFunc // answers everything
	objects map[string]string
	writers map[string]string
}

// start returns where the server is.
func (f *fakeServer) start(t *testing.T) map[string]string {
	t.Helper()
	f.bucket, f.objects, f.writers = "ledger", map[string]string{}, map[string]string{}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return map[string]string{
		"bucket": f.bucket, "endpoint": server.URL, "path_style": "true", "access_key_id": "id", "secret_access_key": "secret",
	}
}

// names are the objects that it holds.
func (f *fakeServer) names() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := []string{}
	for name := range f.objects {
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// say has answer give every answer from now on.
func (f *fakeServer) say(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instead = answer
}

// ServeHTTP implements http.Handler.
func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.instead != nil {
		f.instead(w, r)
		return
	}
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"+f.bucket), "/")
	value, exists := f.objects[name]
	switch {
	case name == "" && r.Method == http.MethodGet:
		_, _ = fmt.Fprintf(w, `<ListBucketResult><Name>%s</Name><Prefix>%s</Prefix><IsTruncated>false</IsTruncated></ListBucketResult>`, f.bucket, html.EscapeString(r.URL.Query().Get("prefix")))
	case name == "":
	case r.Method == http.MethodPut && exists && !f.overwrites && r.Header.Get("If-None-Match") == "*":
		answer(http.StatusPreconditionFailed, "PreconditionFailed").ServeHTTP(w, r)
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		f.objects[name], f.writers[name] = string(body), r.Header.Get("X-Amz-Meta-Nhi-Writer")
		w.Header().Set("ETag", etag(string(body)))
	case !exists:
		answer(http.StatusNotFound, "NoSuchKey").ServeHTTP(w, r)
	default:
		w.Header().Set("ETag", etag(value))
		if !f.forgets {
			w.Header().Set("X-Amz-Meta-Nhi-Writer", f.writers[name])
		}
		_, _ = io.WriteString(w, value)
	}
}

func etag(text string) string {
	sum := md5.Sum([]byte(text))
	return `"` + hex.EncodeToString(sum[:]) + `"`
}
