package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://a:b@db.example.com/shop":                                              "db.example.com:5432/shop",
		"postgresql://a:b@DB.Example.com:6432/Shop?sslmode=require":                       "db.example.com:6432/Shop",
		"postgres://a@127.0.0.1:5432/shop?sslmode=disable":                                "127.0.0.1:5432/shop",
		"postgres://a:b@[::1]:5432/shop":                                                  "[::1]:5432/shop",
		"postgres://a:b@[0:0:0:0:0:0:0:1]/shop":                                           "[::1]:5432/shop",
		"postgres://a:b@[::ffff:10.0.0.1]/shop":                                           "10.0.0.1:5432/shop",
		"postgres://a:b@my_db/shop?connect_timeout=5&application_name=nhi%20prod":         "my_db:5432/shop",
		"postgres://a:p%40ss%2Fw%3Ard%23%3F@h/my%20shop?sslrootcert=/x&sslmode=verify-ca": "h:5432/my shop",
	} {
		got, err := postgres.Kind().Endpoint(settings(url))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", url, got, err, want)
		}
	}
}

// TestBadURLs: refused, and never quoted, since any part may be the password.
func TestBadURLs(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for _, url := range []string{
		"", "host=h user=a password=" + secret, "mysql://a:" + secret + "@h/d", "postgres:" + secret, "postgres://" + secret,
		"postgres://a:" + secret + "@/d", "postgres://a:" + secret + "@h", "postgres://a:" + secret + "@h/", "postgres://h/d",
		"postgres://:" + secret + "@h/d", "postgres://a:" + secret + "@h1,h2/d", "postgres://a:" + secret + "@h1:1,h2:2/d",
		"postgres://a:" + secret + "@%2Fvar%2Frun/d", "postgres://a:" + secret + "@/var/run/d", "postgres://a:" + secret + "@h:0/d",
		"postgres://a:" + secret + "@h:/d", "postgres://a:" + secret + "@h:65536/d", "postgres://a:" + secret + "@h:05432/d",
		"postgres://a:" + secret + "@h:x/d", "postgres://a:" + secret + "#x@h/d", "postgres://a:" + secret + "/x@h/d",
		"postgres://a:" + secret + "?x@h/d", "postgres://a:" + secret + "%zz@h/d", "postgres://a:" + secret + "%00@h/d",
		"postgres://a:" + secret + " @h/d", "postgres://a:" + secret + "\n@h/d", "postgres://a:" + secret + "@h/d#f",
		"postgres://a:" + secret + "@h/d/e", "postgres://a:" + secret + "@h/" + strings.Repeat("d", 64), "postgres://a:" + secret + "@h/d%00",
		"postgres://a:" + secret + "@h/d%0a", "postgres://a:" + secret + "@127.1/d", "postgres://a:" + secret + "@2130706433/d",
		"postgres://a:" + secret + "@0x7f.0x1/d", "postgres://a:" + secret + "@h..x/d", "postgres://a:" + secret + "@-h/d",
		"postgres://a:" + secret + "@[fe80::1%25eth0]/d", "postgres://a:" + secret + "@h/d?host=other", "postgres://a:" + secret + "@h/d?hostaddr=1.2.3.4",
		"postgres://a:" + secret + "@h/d?service=x", "postgres://a:" + secret + "@h/d?options=-cfoo", "postgres://a:" + secret + "@h/d?password=" + secret,
		"postgres://a:" + secret + "@h/d?" + secret + "=1", "postgres://a:" + secret + "@h/d?sslmode=prefer", "postgres://a:" + secret + "@h/d?sslmode=allow",
		"postgres://a:" + secret + "@h/d?sslmode=" + secret, "postgres://a:" + secret + "@h/d?sslmode=require&sslmode=disable",
		"postgres://a:" + secret + "@h/d?sslmode=", "postgres://a:" + secret + "@h/d?sslcert=/x", "postgres://a:" + secret + "@h/d?connect_timeout=0",
		"postgres://a:" + secret + "@h/d?connect_timeout=x", "postgres://a:" + secret + "@h/d?search_path=x", "postgres://a:" + secret + "@h/d?a;b",
		"postgres://a:" + secret + "@h/d?pool_max_conns=1000", "postgres://a:" + secret + "@h/d?target_session_attrs=standby",
	} {
		kind := postgres.Kind()
		_, endpointErr := kind.Endpoint(settings(url))
		_, openErr := kind.Open(t.Context(), settings(url))
		for what, err := range map[string]error{
			"check": kind.Settings[0].Check(url), "check settings": kind.CheckSettings(settings(url)), "endpoint": endpointErr, "open": openErr,
		} {
			if !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("%s of %q: %v, want ErrInvalid", what, url, err)
			} else if strings.Contains(err.Error(), secret) {
				t.Errorf("%s of %q: the error holds the password: %v", what, url, err)
			}
		}
	}
}

// TestMissingCertificateIsNamed, and the password beside it is not.
func TestMissingCertificateIsNamed(t *testing.T) {
	t.Parallel()
	_, err := postgres.Kind().Open(t.Context(), settings("postgres://a:s3cr3t@h/d?sslrootcert=/no/such/ca.pem"))
	if !errors.Is(err, nhi.ErrInvalid) || !strings.Contains(err.Error(), "/no/such/ca.pem") || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("open: %v", err)
	}
}

// FuzzEndpoint: whatever parses has an endpoint that a person can read and
// that leads nowhere else when it is read again.
func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{"postgres://a:b@h:1/d?sslmode=disable", "postgres://a:b@[::1]/d", "postgres://a:b@h/%41%20b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		endpoint, err := postgres.Kind().Endpoint(settings(url))
		if err != nil {
			if !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("%q: %v", url, err)
			}
			return
		}
		if err := nhi.CheckText(endpoint); err != nil {
			t.Errorf("%q: endpoint %q: %v", url, endpoint, err)
		}
		host, database, _ := strings.Cut(endpoint, "/")
		again, err := postgres.Kind().Endpoint(settings("postgres://a@" + host + "/" + strings.NewReplacer("%", "%25", " ", "%20", "?", "%3F", "#", "%23").Replace(database)))
		if err != nil || again != endpoint {
			t.Errorf("%q: endpoint %q reads back as %q, %v", url, endpoint, again, err)
		}
	})
}
