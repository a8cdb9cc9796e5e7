package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/s3"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// A bucket that is missing holds no ledger. Whatever else keeps the store from
// being opened is no such word.
func TestOpen(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	bucket := server.Bucket()
	for _, create := range []bool{false, true} {
		settings := settingsOf(t, at(server, "no-such-bucket", nil))
		_, err := s3.Kind().Open(t.Context(), settings, ledger.OpenOptions{Now: noClock(t), Create: create})
		if !errors.Is(err, ledger.ErrNoLedger) || !strings.Contains(err.Error(), "no-such-bucket") {
			t.Errorf("create %t: %v, want ErrNoLedger", create, err)
		}
	}
	if _, err := ledger.Open(t.Context(), opened(t, at(server, bucket, nil)), "test"); !errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("an empty bucket: %v, want ErrNoLedger", err)
	}
	stranger, secret := server.User()
	for what, c := range map[string]struct {
		more map[string]string
		want string
	}{
		"another region":    {map[string]string{"region": "eu-central-1"}, "AuthorizationHeaderMalformed"},
		"an unknown key":    {map[string]string{"access_key_id": "nobody"}, "InvalidAccessKeyId"},
		"another secret":    {map[string]string{"secret_access_key": "another"}, "SignatureDoesNotMatch"},
		"nothing allowed":   {map[string]string{"access_key_id": stranger, "secret_access_key": secret}, "AccessDenied"},
		"nobody there":      {map[string]string{"endpoint": "http://127.0.0.1:1"}, "connection refused"},
		"no TLS there":      {map[string]string{"endpoint": strings.Replace(server.Direct(), "http:", "https:", 1)}, "HTTP response to HTTPS client"},
		"no bucket of that": {map[string]string{"bucket": "no-such-bucket", "access_key_id": "nobody"}, "InvalidAccessKeyId"},
	} {
		_, err := open(t.Context(), t, at(server, bucket, c.more))
		if unanswered(t, what, err); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
}

// The store goes away and comes back, with all that it had.
func TestStoppedServer(t *testing.T) {
	t.Parallel()
	server := testserver.PrivateS3(t)
	texts := at(server, server.Bucket(), nil)
	store := opened(t, texts)
	if err := store.Create(t.Context(), "root/00000001", []byte("one")); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	for call, err := range everyCall(t.Context(), store) {
		unanswered(t, call, err)
	}
	_, err := open(t.Context(), t, texts)
	unanswered(t, "open", err)
	server.Start()
	wantEntry(t, store, "root/00000001", "one")
	if err := store.Create(t.Context(), "root/00000002", []byte("two")); err != nil {
		t.Error(err)
	}
}

// The time is the server's, also where this machine's is another one; and an
// old answer of a cache is none.
func TestServerTime(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	store := opened(t, at(server, server.Bucket(), nil))
	for _, want := range []time.Time{time.Now().Add(-24 * time.Hour), time.Now().AddDate(10, 0, 0)} {
		server.Answer(func(*http.Request) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", want.UTC().Format(http.TimeFormat))
			})
		})
		if got, err := store.Now(t.Context()); err != nil || !got.Equal(want.Truncate(time.Second)) {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	for what, header := range map[string]http.Header{
		"none": {"Date": nil}, "garbage": {"Date": {"today"}}, "a cache's": {"Age": {"60"}},
	} {
		server.Answer(func(*http.Request) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for name, values := range header {
					w.Header()[name] = values
				}
			})
		})
		if got, err := store.Now(t.Context()); err == nil || !got.IsZero() {
			t.Errorf("%s: %s, %v, want an error", what, got, err)
		}
	}
}

// A machine whose clock is wrong signs with the server's time: it can write, and
// it can revoke.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	store := opened(t, at(server, server.Bucket(), nil))
	ahead := time.Now().Add(24 * time.Hour)
	dates := []string{}
	server.Answer(func(r *http.Request) http.Handler {
		if !puts(r) {
			return nil
		}
		dates = append(dates, r.Header.Get("X-Amz-Date"))
		if len(dates) > 1 { // the real server has the real time, and says so
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", ahead.UTC().Format(http.TimeFormat))
			answer(http.StatusForbidden, "RequestTimeTooSkewed").ServeHTTP(w, r)
		})
	})
	if err := store.Create(t.Context(), "root/00000001", []byte("one")); err != nil {
		t.Errorf("%v, after %q", err, dates)
	}
	if len(dates) < 2 || !strings.HasPrefix(dates[1], ahead.UTC().Format("20060102T15")) {
		t.Errorf("signed at %q, and the server's time was %s", dates, ahead)
	}
}

// Nothing in the environment says where the ledger is; where the settings have
// no access key, it says who asks.
func TestEnvironment(t *testing.T) {
	server := testserver.S3(t)
	nowhere := "http://127.0.0.1:1"
	profile := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("[default]\nregion = mars-north-1\nendpoint_url = %s\ns3 =\n  use_accelerate_endpoint = true\n", nowhere)
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": nowhere, "AWS_ENDPOINT_URL_S3": nowhere, "AWS_REGION": "mars-north-1", "AWS_DEFAULT_REGION": "mars-north-1",
		"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_CONFIG_FILE": profile, "AWS_SHARED_CREDENTIALS_FILE": profile + "-none",
		"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "default",
		"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_SESSION_TOKEN": "none",
	} {
		t.Setenv(name, value)
	}
	texts := at(server, server.Bucket(), nil)
	opened(t, texts)
	delete(texts, "access_key_id")
	delete(texts, "secret_access_key")
	if err := os.Unsetenv("AWS_SESSION_TOKEN"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t.Context(), t, texts); err == nil || !strings.Contains(err.Error(), "InvalidAccessKeyId") {
		t.Errorf("%v, want the key of the environment", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey())
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey())
	opened(t, texts)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	_, err := open(t.Context(), t, texts)
	unanswered(t, "no credentials anywhere", err)
	if err != nil && !strings.Contains(err.Error(), "credentials") {
		t.Errorf("it does not say what is missing: %v", err)
	}
}

// A server that says again what it was sent, in every place, makes no error
// that shows it.
func TestNoSecretInErrors(t *testing.T) {
	t.Parallel()
	server, secret, token := &fakeServer{}, "hiddensecret", "hiddentoken"
	texts := server.start(t)
	texts["secret_access_key"], texts["session_token"] = secret, token
	store := opened(t, texts)
	check := func(what string, err error) {
		t.Helper()
		for ; err != nil; err = errors.Unwrap(err) {
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
				if strings.Contains(text, secret) || strings.Contains(text, token) || strings.ContainsAny(text, "\n\x1b") || len(text) > 2000 {
					t.Errorf("%s: %.2000q", what, text)
				}
			}
		}
	}
	for _, words := range []string{secret, "Code" + secret, token, "a\nforged\x1b[2J line", strings.Repeat("x", 100_000)} {
		for _, status := range []int{200, 301, 400, 403, 404, 412} {
			server.say(func(w http.ResponseWriter, _ *http.Request) {
				for _, name := range []string{"X-Amz-Request-Id", "X-Amz-Id-2", "X-Amz-Bucket-Region"} {
					w.Header().Set(name, strings.Map(func(r rune) rune {
						if r < ' ' {
							return -1
						}
						return r
					}, words[:min(len(words), 1000)]))
				}
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, "<Error><Code>%[1]s</Code><Message>%[1]s</Message><RequestId>%[1]s</RequestId></Error>", words)
			})
			for call, err := range everyCall(t.Context(), store) {
				check(fmt.Sprint(call, " ", status), err)
			}
		}
	}
}

// What was changed behind the ledger's back is found, and named.
func TestTampering(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	bucket := server.Bucket()
	store := opened(t, at(server, bucket, map[string]string{"prefix": "nhi"}))
	book, err := ledger.Create(t.Context(), store, storetest.Root(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []nhi.ApprovalID{"dev/team/a:default", "dev/team/b:default", "dev/team/c:default", "dev/team/d:default"} {
		chain := ledger.Chain{Name: ledger.GrantChain(id)}
		if _, err := book.Append(t.Context(), chain, ledger.BlockBody{Reason: "one"}, ledger.LiftBody{Reason: "two"}); err != nil {
			t.Fatal(err)
		}
	}
	const folder = "nhi/grant/dev=2Fteam=2F"
	rewrite(t, server, bucket, folder+"a,default/00000001.entry", func(text string) string { return strings.Replace(text, "one", "ten", 1) })
	remove(t, server, bucket, folder+"b,default/00000001.entry")
	rewrite(t, server, bucket, folder+"c,default/00000003", func(string) string { return "put there" })
	rewrite(t, server, bucket, "nhi/notes.txt", func(string) string { return "put there" })
	faults, err := book.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := fmt.Sprint(faults)
	for _, want := range []string{
		"grant/dev%2Fteam%2Fa:default entry 2: it does not follow", "grant/dev%2Fteam%2Fb:default entry 1: it is missing",
		"grant/dev=2Fteam=2Fc,default/00000003", "notes.txt",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("verify does not find %q: %q", want, found)
		}
	}
	for id, sound := range map[nhi.ApprovalID]bool{
		"dev/team/a:default": false, "dev/team/b:default": false, "dev/team/c:default": false, "dev/team/d:default": true,
	} {
		chain, err := book.Read(t.Context(), ledger.GrantChain(id))
		if sound != (err == nil) || !sound && !errors.Is(err, ledger.ErrBroken) {
			t.Errorf("%s: %d entries, %v", id, len(chain.Entries), err)
		}
	}
}
