package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// puts returns whether a request makes an entry: the probe is not meant.
func puts(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".entry")
}

// answer is an answer of S3's form.
func answer(status int, code string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>words</Message></Error>`, code)
	})
}

// unanswered holds that an error says nothing about what the store holds.
func unanswered(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, ledger.ErrExists) || errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("%s: %v, want an error that is no verdict", what, err)
	}
}

func wantEntry(t *testing.T, store ledger.Store, key, want string) {
	t.Helper()
	if got, err := store.Get(t.Context(), key); err != nil || string(got) != want {
		t.Errorf("get %s: %.80q, %v, want %.80q", key, got, err, want)
	}
}

// The answer to a put is lost after the server has stored the object: the retry
// knows its own, and says so; where no answer ever comes, nothing is claimed.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	store := opened(t, at(server, server.Bucket(), nil))
	for _, lost := range []int64{1, 2, 4} {
		key := fmt.Sprintf("grant/a/%08d", lost)
		var tried atomic.Int64
		server.Fault(func(r *http.Request) testserver.Fault {
			if puts(r) && tried.Add(1) <= lost {
				return testserver.Lose
			}
			return testserver.Pass
		})
		if err := store.Create(t.Context(), key, []byte("mine")); err != nil {
			t.Errorf("%d answers lost: %v", lost, err)
		}
		server.Restore()
		if tried.Load() != lost+1 {
			t.Errorf("%d answers lost: %d tries", lost, tried.Load())
		}
		if err := store.Create(t.Context(), key, []byte("mine")); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("the same bytes from another call: %v, want ErrExists", err)
		}
		wantEntry(t, store, key, "mine")
	}
	server.Fault(func(r *http.Request) testserver.Fault {
		if puts(r) {
			return testserver.Lose
		}
		return testserver.Pass
	})
	err := store.Create(t.Context(), "grant/a/00000009", []byte("mine"))
	unanswered(t, "every answer lost", err)
	// The put that met its own object cannot find out whose it is.
	server.Fault(func(r *http.Request) testserver.Fault {
		if puts(r) && r.Header.Get("Amz-Sdk-Request") == "attempt=1; max=6" {
			return testserver.Lose
		}
		if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, ".entry") {
			return testserver.Refuse
		}
		return testserver.Pass
	})
	unanswered(t, "its own, and nobody says so", store.Create(t.Context(), "grant/a/00000010", []byte("mine")))
	server.Restore()
	wantEntry(t, store, "grant/a/00000009", "mine")
	wantEntry(t, store, "grant/a/00000010", "mine")
}

// Many write the same bytes at once, and each loses its first answer: one is
// told that it was the one, and all others that they were not.
func TestOneWinnerOfEqualBytes(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	texts := at(server, server.Bucket(), nil)
	stores := []ledger.Store{opened(t, texts), opened(t, texts)}
	var lost sync.Map
	server.Fault(func(r *http.Request) testserver.Fault {
		if _, before := lost.LoadOrStore(r.Header.Get("X-Amz-Meta-Nhi-Writer"), true); puts(r) && !before {
			return testserver.Lose
		}
		return testserver.Pass
	})
	for round := range 3 {
		key := fmt.Sprintf("grant/a/%08d", round+1)
		const writers = 20
		errs := make([]error, writers)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { errs[i] = stores[i%2].Create(t.Context(), key, []byte("the same")) })
		}
		group.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, ledger.ErrExists) {
				t.Errorf("round %d: %v", round, err)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d of %d were told that they made it", round, won, writers)
		}
	}
}

// The server is busy, or another writer is under way: it is asked again, and no
// verdict is made of it.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	for _, busy := range []struct {
		status int
		code   string
	}{
		{http.StatusServiceUnavailable, "SlowDown"}, {http.StatusInternalServerError, "InternalError"},
		{http.StatusConflict, "ConditionalRequestConflict"}, {http.StatusConflict, "OperationAborted"},
	} {
		t.Run(busy.code, func(t *testing.T) {
			t.Parallel()
			server := testserver.S3(t)
			store := opened(t, at(server, server.Bucket(), nil))
			var left atomic.Int64
			server.Answer(func(r *http.Request) http.Handler {
				if r.Method != http.MethodHead && left.Add(-1) >= 0 {
					return answer(busy.status, busy.code)
				}
				return nil
			})
			left.Store(2)
			if err := store.Create(t.Context(), "grant/a/00000001", []byte("one")); err != nil {
				t.Errorf("busy twice: %v", err)
			}
			left.Store(2)
			wantEntry(t, store, "grant/a/00000001", "one")
			left.Store(1 << 30)
			err := store.Create(t.Context(), "grant/a/00000002", []byte("two"))
			unanswered(t, "always busy", err)
			if err != nil && !strings.Contains(err.Error(), fmt.Sprint(busy.status, " ", busy.code)) {
				t.Errorf("it does not say why: %v", err)
			}
		})
	}
}

// A redirect is not followed, whatever it is: the credentials stay where the
// settings say.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	server := testserver.S3(t)
	store := opened(t, at(server, server.Bucket(), nil))
	for _, status := range []int{301, 302, 303, 307, 308} {
		server.Answer(func(*http.Request) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", other.URL+r.URL.Path)
				w.Header().Set("X-Amz-Bucket-Region", "mars-north-1")
				answer(status, "PermanentRedirect").ServeHTTP(w, r)
			})
		})
		for what, err := range everyCall(t.Context(), store) {
			unanswered(t, fmt.Sprint(what, " redirected by ", status), err)
			if err != nil && !strings.Contains(err.Error(), "mars-north-1") {
				t.Errorf("%s: it does not say where the bucket is: %v", what, err)
			}
		}
	}
	if elsewhere.Load() != 0 {
		t.Errorf("%d requests went elsewhere", elsewhere.Load())
	}
}

// everyCall makes each call once, and returns what failed and how. Each of them
// is about an entry that is not there.
func everyCall(ctx context.Context, store ledger.Store) map[string]error {
	_, getErr := store.Get(ctx, "grant/a/00000001")
	keys, listErr := store.List(ctx, "grant/a/")
	if listErr == nil && len(keys) > 0 {
		listErr = fmt.Errorf("it lists %q", keys)
	}
	_, nowErr := store.Now(ctx)
	return map[string]error{
		"create": store.Create(ctx, "grant/a/00000001", []byte("one")), "get": getErr, "list": listErr, "time": nowErr,
	}
}

// What is no answer of S3's is no verdict: nothing is missing, nothing is there
// already, and no list is empty because of it.
func TestGarbage(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	bucket := server.Bucket()
	store := opened(t, at(server, bucket, nil))
	if err := store.Create(t.Context(), "root/00000001", []byte("root")); err != nil {
		t.Fatal(err)
	}
	body := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	const list = `<ListBucketResult><Name>%s</Name><Prefix>%s</Prefix><IsTruncated>false</IsTruncated>%s</ListBucketResult>`
	for what, handler := range map[string]http.HandlerFunc{
		"an empty 200":        body(http.StatusOK, ""),
		"an empty 204":        body(http.StatusNoContent, ""),
		"a page of a proxy":   body(http.StatusOK, "<html><body>Please log in</body></html>"),
		"json":                body(http.StatusOK, `{"ok": true}`),
		"broken xml":          body(http.StatusOK, "<ListBucketResult><Name>"),
		"an error with a 200": answer(http.StatusOK, "NoSuchKey").ServeHTTP,
		"an empty 404":        body(http.StatusNotFound, ""),
		"a 404 of a proxy":    body(http.StatusNotFound, "<html>404</html>"),
		"a 404 with a cause":  answer(http.StatusNotFound, "NoSuchUpload").ServeHTTP,
		"a 404 of the bucket": answer(http.StatusNotFound, "NoSuchBucket").ServeHTTP,
		"a key with a 403":    answer(http.StatusForbidden, "NoSuchKey").ServeHTTP,
		"an empty 403":        body(http.StatusForbidden, ""),
		"an empty 412":        body(http.StatusPreconditionFailed, ""),
		"a 412":               answer(http.StatusPreconditionFailed, "PreconditionFailed").ServeHTTP,
		"a 412 and a 403":     answer(http.StatusForbidden, "PreconditionFailed").ServeHTTP,
		"a 304":               body(http.StatusNotModified, ""),
		"another bucket":      body(http.StatusOK, fmt.Sprintf(list, "other", "grant/a/", "")),
		"another prefix":      body(http.StatusOK, fmt.Sprintf(list, bucket, "grant/b/", "")),
		"other names":         body(http.StatusOK, fmt.Sprintf(list, bucket, "grant/a/", "<Contents><Key>grant/b/00000001.entry</Key></Contents>")),
		"no end":              body(http.StatusOK, strings.ReplaceAll(fmt.Sprintf(list, bucket, "grant/a/", ""), "false", "true")),
		"no word on its end":  body(http.StatusOK, fmt.Sprintf("<ListBucketResult><Name>%s</Name><Prefix>grant/a/</Prefix></ListBucketResult>", bucket)),
	} {
		server.Answer(func(r *http.Request) http.Handler {
			if r.Method == http.MethodHead && r.URL.Path == "/"+bucket { // the time is no matter here
				return body(http.StatusForbidden, "")
			}
			return handler
		})
		for call, err := range everyCall(t.Context(), store) {
			unanswered(t, call+": "+what, err)
		}
	}
	server.Restore()
	if keys, err := store.List(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("afterwards: %q, %v", keys, err)
	}
}

// A put that got a yes of somebody else's is looked at before it is believed.
func TestYesOfSomebodyElse(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	store := opened(t, at(server, server.Bucket(), nil))
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("first")); err != nil {
		t.Fatal(err)
	}
	server.Answer(func(r *http.Request) http.Handler {
		if puts(r) {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		}
		return nil
	})
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("second")); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("it was there: %v, want ErrExists", err)
	}
	unanswered(t, "it was not stored", store.Create(t.Context(), "grant/a/00000002", []byte("third")))
}

// flood answers with more than anybody asked for, until the client has had
// enough, and counts it.
func flood(sent *atomic.Int64, status int, start string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("ETag", `"x"`)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, start)
		block := bytes.Repeat([]byte("a"), 1<<20)
		for range 1 << 10 {
			n, err := w.Write(block)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
}

// A gigabyte is not read.
func TestGigabyte(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	store := opened(t, at(server, server.Bucket(), nil))
	if err := store.Create(t.Context(), "root/00000001", []byte("root")); err != nil { // the probe is behind us
		t.Fatal(err)
	}
	for what, handler := range map[string]func(*atomic.Int64) http.Handler{
		"bytes":     func(sent *atomic.Int64) http.Handler { return flood(sent, http.StatusOK, "") },
		"a name":    func(sent *atomic.Int64) http.Handler { return flood(sent, http.StatusOK, "<ListBucketResult><Name>") },
		"a refusal": func(sent *atomic.Int64) http.Handler { return flood(sent, http.StatusForbidden, "<Error><Code>") },
		"a 404":     func(sent *atomic.Int64) http.Handler { return flood(sent, http.StatusNotFound, "") },
		"a lost answer": func(sent *atomic.Int64) http.Handler {
			return flood(sent, http.StatusPreconditionFailed, "<Error><Message>")
		},
	} {
		var sent atomic.Int64
		server.Answer(func(r *http.Request) http.Handler {
			if r.Method == http.MethodHead {
				return http.NotFoundHandler()
			}
			return handler(&sent)
		})
		for call, err := range everyCall(t.Context(), store) {
			unanswered(t, call+": "+what, err)
		}
		// What the sockets between hold is sent, and never read.
		if most := int64(3 * 6 * 32 << 20); sent.Load() > most {
			t.Errorf("%s: %d bytes were taken", what, sent.Load())
		}
	}
}

// Lists that never end are ended.
func TestEndlessLists(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	bucket := server.Bucket()
	store := opened(t, at(server, bucket, nil))
	page := func(key, token string) string {
		if key != "" {
			key = "<Contents><Key>" + key + "</Key></Contents>"
		}
		if token != "" {
			token = "<NextContinuationToken>" + token + "</NextContinuationToken>"
		}
		return fmt.Sprintf(`<ListBucketResult><Name>%s</Name><Prefix></Prefix><IsTruncated>true</IsTruncated>%s%s</ListBucketResult>`, bucket, token, key)
	}
	var pages atomic.Int64
	for what, list := range map[string]func(n int64) string{
		"the same name again":  func(n int64) string { return page("a.entry", fmt.Sprint(n)) },
		"the same token again": func(n int64) string { return page(fmt.Sprint(n, ".entry"), "t") },
		"no token":             func(int64) string { return page("a.entry", "") },
		"new names, and so on": func(n int64) string { return page(fmt.Sprint(n, ".entry"), fmt.Sprint(n)) },
		"no name, and so on":   func(n int64) string { return page("", fmt.Sprint(n)) },
	} {
		pages.Store(0)
		server.Answer(func(*http.Request) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, list(pages.Add(1)))
			})
		})
		keys, err := store.List(t.Context(), "")
		unanswered(t, what, err)
		if keys != nil || pages.Load() > 5000 {
			t.Errorf("%s: %d keys after %d pages", what, len(keys), pages.Load())
		}
	}
}

// Whoever waits decides for how long.
func TestHangingServer(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	store := opened(t, at(server, server.Bucket(), nil))
	if err := store.Create(t.Context(), "root/00000001", []byte("root")); err != nil {
		t.Fatal(err)
	}
	server.Fault(func(*http.Request) testserver.Fault { return testserver.Hang })
	started := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for call, err := range everyCall(ctx, store) {
		if unanswered(t, call, err); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want DeadlineExceeded", call, err)
		}
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
