package s3_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/s3"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// refusal returns why settings are refused, or nil.
func refusal(texts map[string]string) error {
	values := nhi.Values{"bucket": nhi.Text("ledger")}
	for name, text := range texts {
		values[name] = nhi.Text(text)
	}
	complete, errs := setting.Complete(s3.Kind().Settings, values)
	for _, err := range errs {
		return err
	}
	return s3.Kind().CheckSettings(setting.Split(s3.Kind().Settings, complete))
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, texts := range []map[string]string{
		{},
		{"bucket": "my.ledger-1", "prefix": "nhi", "region": "eu-central-1"},
		{"prefix": "nhi/prod.1/_x", "endpoint": "https://s3.example.com", "path_style": "true"},
		{"endpoint": "https://[2001:db8::1]:9000"}, {"endpoint": "http://127.0.0.1:7070"}, {"endpoint": "http://[::1]:7070"},
		{"access_key_id": "AKIAEXAMPLE", "secret_access_key": "a/b+c="},
		{"access_key_id": "ASIAEXAMPLE", "secret_access_key": "a/b+c=", "session_token": "t"},
	} {
		if err := refusal(texts); err != nil {
			t.Errorf("%v: %v", texts, err)
		}
	}
	const secret = "hidden-secret"
	for _, texts := range []map[string]string{
		{"bucket": ""}, {"bucket": "ab"}, {"bucket": "Ledger"}, {"bucket": "a_b"}, {"bucket": "a..b"}, {"bucket": "-ab"}, {"bucket": "a/b"},
		{"bucket": "arn:aws:s3:::ledger"}, {"bucket": "ledger--euc1-az1--x-s3"}, {"bucket": "ledger-abc-s3alias"}, {"bucket": "x.mrap"},
		{"bucket": strings.Repeat("b", 64)},
		{"prefix": "/a"}, {"prefix": "a/"}, {"prefix": "a//b"}, {"prefix": "a/../b"}, {"prefix": "."}, {"prefix": "a/.b"}, {"prefix": "a b"},
		{"prefix": "a%2F"}, {"prefix": "~a"}, {"prefix": strings.Repeat("p", 201)},
		{"region": "EU"}, {"region": "eu west"}, {"region": "eu/west"}, {"region": "eu.example.com"}, {"region": "-"},
		{"endpoint": "s3.example.com"}, {"endpoint": "ftp://s3.example.com"}, {"endpoint": "http://s3.example.com"}, {"endpoint": "http://localhost:1"},
		{"endpoint": "https://s3.example.com/path"}, {"endpoint": "https://s3.example.com/"}, {"endpoint": "https://s3.example.com?a=b"},
		{"endpoint": "https://s3.example.com#x"}, {"endpoint": "https://u:p@s3.example.com"}, {"endpoint": "https://"}, {"endpoint": "https://a:0"},
		{"endpoint": "https://a:99999"}, {"endpoint": "https://a b"}, {"endpoint": "https:opaque"}, {"endpoint": "https://a%2Fb"},
		{"access_key_id": "AKIAEXAMPLE"}, {"secret_access_key": secret}, {"session_token": secret},
		{"session_token": secret, "secret_access_key": secret}, {"access_key_id": "a b", "secret_access_key": secret},
		{"access_key_id": "a", "secret_access_key": secret + "\n"}, {"access_key_id": "a", "secret_access_key": secret + " x"},
	} {
		err := refusal(texts)
		if !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%v: %v, want ErrInvalid", texts, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%v: a secret is in %v", texts, err)
		}
	}
}
