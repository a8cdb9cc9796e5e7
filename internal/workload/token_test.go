package workload_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

func keysOf(t *testing.T, issuer *testserver.IssuerServer) workload.Keys {
	t.Helper()
	keys, err := workload.ParseKeys(issuer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func trusted(issuer *testserver.IssuerServer) workload.Issuer {
	return workload.Issuer{URL: issuer.URL(), Audiences: []string{"nhi", "nhi-next"}}
}

func TestATokenSaysWhatItSays(t *testing.T) {
	t.Parallel()
	issuer := testserver.Issuer(t)
	for _, rotate := range []func(){func() {}, issuer.RotateEC} {
		rotate()
		raw := issuer.Token(map[string]any{"aud": []string{"other", "nhi-next"}, "sub": "repo:acme/infra", "actor_id": 4711, "run": "9",
			"protected": true, "groups": []string{"a"}, "nested": map[string]any{"a": "b"}, "lines": "a\nb", "none": nil})
		token, err := trusted(issuer).Verify(keysOf(t, issuer), nhi.NewSecret(raw), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"actor_id": "4711", "run": "9", "protected": "true", "sub": "repo:acme/infra", "iss": issuer.URL()}
		for name, value := range want {
			if token.Claims[name] != value {
				t.Errorf("claim %s is %q, want %q", name, token.Claims[name], value)
			}
		}
		for _, name := range []string{"aud", "groups", "nested", "lines", "none"} {
			if value, said := token.Claims[name]; said {
				t.Errorf("claim %s is %q, and no text stands for it", name, value)
			}
		}
		if token.Issuer != issuer.URL() || token.Subject != "repo:acme/infra" || !token.IssuedAt.Before(time.Now()) || !token.Expires.After(time.Now()) {
			t.Errorf("token is %+v", token)
		}
	}
}

// Every way in which a token can be wrong is refused, and the reason says
// which; no error quotes the token.
func TestAWrongTokenIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	issuer, other := testserver.Issuer(t), testserver.Issuer(t)
	now := time.Now()
	good := map[string]any{"aud": "nhi"}
	with := func(claims map[string]any) string {
		all := map[string]any{"aud": "nhi"}
		for name, value := range claims {
			all[name] = value
		}
		return issuer.Token(all)
	}
	parts := strings.Split(issuer.Token(good), ".")
	swap := func(header, payload, signature string) string {
		return strings.Join([]string{orPart(header, parts[0]), orPart(payload, parts[1]), orPart(signature, parts[2])}, ".")
	}
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	payload := encode(fmt.Sprintf(`{"iss":%q,"aud":"nhi","sub":"root","iat":%d,"exp":%d}`, issuer.URL(), now.Unix(), now.Add(time.Hour).Unix()))
	secret := hmac.New(sha256.New, []byte(issuer.JWKS()))
	secret.Write([]byte(encode(`{"alg":"HS256"}`) + "." + payload))
	for _, c := range []struct {
		name, raw string
		want      error
	}{
		{"nothing", "", workload.ErrMalformed},
		{"no token", "eyJ", workload.ErrMalformed},
		{"too long", issuer.Token(map[string]any{"aud": "nhi", "pad": strings.Repeat("a", 16<<10)}), workload.ErrMalformed},
		{"too many claims", with(manyClaims()), workload.ErrMalformed},
		{"a huge claim", with(map[string]any{"pad": strings.Repeat("a", 5<<10)}), workload.ErrMalformed},
		{"expired", with(map[string]any{"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-2 * time.Minute).Unix()}), workload.ErrExpired},
		{"not begun", with(map[string]any{"nbf": now.Add(5 * time.Minute).Unix()}), workload.ErrNotYetValid},
		{"issued later", with(map[string]any{"iat": now.Add(5 * time.Minute).Unix()}), workload.ErrNotYetValid},
		{"without an end", with(map[string]any{"exp": nil}), workload.ErrMalformed},
		{"without a beginning", with(map[string]any{"iat": nil}), workload.ErrMalformed},
		{"another audience", issuer.Token(map[string]any{"aud": "someone"}), workload.ErrAudience},
		{"part of an audience", issuer.Token(map[string]any{"aud": "nhi-"}), workload.ErrAudience},
		{"no audience", issuer.Token(nil), workload.ErrAudience},
		{"another issuer", other.Token(good), workload.ErrIssuer},
		{"another issuer's key", other.Token(map[string]any{"aud": "nhi", "iss": issuer.URL()}), workload.ErrSignature}, // both call it key-1
		{"nearly the issuer", with(map[string]any{"iss": issuer.URL() + "/"}), workload.ErrIssuer},
		{"changed", swap("", payload, ""), workload.ErrSignature},
		{"unsigned", swap(encode(`{"alg":"none"}`), payload, "") + "", workload.ErrAlgorithm},
		{"unsigned, without a signature", encode(`{"alg":"none"}`) + "." + payload + ".", workload.ErrAlgorithm},
		{"by the public key as a secret", encode(`{"alg":"HS256"}`) + "." + payload + "." + encode(string(secret.Sum(nil))), workload.ErrAlgorithm},
		{"by an unknown key", swap(encode(`{"alg":"RS256","kid":"key-9"}`), "", ""), workload.ErrUnknownKey},
		{"under another algorithm", swap(encode(`{"alg":"PS256","kid":"key-1"}`), "", ""), workload.ErrUnknownKey},
		{"a claim twice", swap("", encode(`{"iss":"`+issuer.URL()+`","sub":"a","sub":"b"}`), ""), workload.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := trusted(issuer).Verify(keysOf(t, issuer), nhi.NewSecret(c.raw), now)
			if !errors.Is(err, c.want) || !errors.Is(err, workload.ErrRefused) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if c.raw != "" && strings.Contains(err.Error(), c.raw) {
				t.Errorf("the error quotes the token: %v", err)
			}
		})
	}
}

func orPart(part, otherwise string) string {
	if part == "" {
		return otherwise
	}
	return part
}

func manyClaims() map[string]any {
	claims := map[string]any{}
	for i := range 250 {
		claims[fmt.Sprintf("c%d", i)] = 1
	}
	return claims
}

func TestWhatIsNotExpectedIsRefused(t *testing.T) {
	t.Parallel()
	issuer := testserver.Issuer(t)
	raw := nhi.NewSecret(issuer.Token(map[string]any{"aud": "nhi"}))
	if _, err := (workload.Issuer{URL: issuer.URL()}).Verify(keysOf(t, issuer), raw, time.Now()); !errors.Is(err, workload.ErrAudience) {
		t.Errorf("without an audience: %v", err)
	}
	if _, err := trusted(issuer).Verify(keysOf(t, issuer), raw, time.Time{}); !errors.Is(err, workload.ErrRefused) {
		t.Errorf("without a time: %v", err)
	}
	if _, err := trusted(issuer).Verify(workload.Keys{}, raw, time.Now()); !errors.Is(err, workload.ErrUnknownKey) {
		t.Errorf("without keys: %v", err)
	}
}

func TestPinnedKeysAreStrict(t *testing.T) {
	t.Parallel()
	const ec = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	for name, text := range map[string]string{
		"no JSON":   `keys`,
		"none":      `{"keys":[]}`,
		"a secret":  `{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}`,
		"private":   `{"keys":[` + ec + `,"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}]}`,
		"short RSA": `{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("r", 171) + `"}]}`,
		"exponent":  `{"keys":[{"kty":"RSA","e":"Aw","n":"` + strings.Repeat("r", 342) + `"}]}`,
		"encrypts":  `{"keys":[` + ec + `,"use":"enc"}]}`,
		"too long":  `{"keys":[` + ec + `}],"pad":"` + strings.Repeat("a", workload.MaxKeySet) + `"}`,
		"too many":  `{"keys":[` + strings.Repeat(ec+`},`, 100) + ec + `}]}`,
	} {
		if _, err := workload.ParseKeys(text); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mixed := `{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},` + ec + `}]}`
	if _, err := workload.ParseKeys(mixed); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("a pinned set with a secret: %v", err)
	}
	if keys, err := workload.FetchedKeys(mixed); err != nil || keys.Len() != 1 {
		t.Errorf("a fetched set with a key for something else: %d keys, %v", keys.Len(), err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://token.actions.githubusercontent.com": true, "https://gitlab.com": true, "https://idp.example.com:8443/realms/ci": true,
		"http://127.0.0.1:80": true, "http://[::1]:80/a": true,
		"http://localhost": false, "http://idp.example.com": false, "http://10.0.0.1": false, "https://": false, "ftp://a": false, "": false,
		"https://user@idp.example.com": false, "https://idp.example.com?a=b": false, "https://idp.example.com#a": false, "https://a b": false,
		"https://idp.example.com/" + strings.Repeat("a", 600): false, "idp.example.com": false, "https://idp.example.com/\n": false,
	} {
		if err := workload.CheckIssuer(text); (err == nil) != want || err != nil && !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}
