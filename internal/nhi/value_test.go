package nhi_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestValuesSurviveJSON(t *testing.T) {
	t.Parallel()
	values := nhi.Values{"text": nhi.Text("a"), "empty": nhi.Text(""), "list": nhi.List("b", "a", "b"), "none": nhi.List()}
	data, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"empty":"","list":["a","b"],"none":[],"text":"a"}`; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
	var again nhi.Values
	if err := json.Unmarshal(data, &again); err != nil || !again.Equal(values) {
		t.Errorf("got %v, %v", again, err)
	}
	for _, bad := range []string{"null", "1", "true", "{}", "[1]", `["a",null,1]`} {
		var value nhi.Value
		if err := json.Unmarshal([]byte(bad), &value); err == nil {
			t.Errorf("%s is read as %v", bad, value)
		}
	}
	if nhi.List().Equal(nhi.Text("")) {
		t.Error("an empty list is no empty text")
	}
}

func TestDurationsHaveOneWayToBeWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"720h": "720h", "90m": "1h30m", "3600s": "1h", "61s": "1m1s", "10m": "10m", "100h10m0s": "100h10m", "1h0m5s": "1h0m5s", "30s": "30s", "20h20m20s": "20h20m20s",
	} {
		ttl, err := nhi.ParseTTL(text)
		if err != nil || nhi.FormatTTL(ttl) != want {
			t.Errorf("%s: %s, %v", text, nhi.FormatTTL(ttl), err)
		}
	}
	for _, text := range []string{"", "0s", "-1h", "1", "1d", "1.5s", "500ms", "87841h", "1h ", "99999999999h"} {
		if _, err := nhi.ParseTTL(text); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q: err = %v, want ErrInvalid", text, err)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	local := time.Date(2030, 1, 1, 1, 2, 3, 4, time.FixedZone("x", 3600))
	if got := nhi.FormatTime(local); got != "2030-01-01T00:02:03Z" {
		t.Errorf("got %s", got)
	}
	for _, text := range []string{"", "2030-01-01", "2030-01-01T00:00:00+00:00", "2030-01-01t00:00:00Z", "2030-01-01T00:00:00.0Z", "2030-02-30T00:00:00Z"} {
		if _, err := nhi.ParseTime(text); !errors.Is(err, nhi.ErrInvalid) && !errors.Is(err, nhi.ErrNotCanonical) {
			t.Errorf("%q: err = %v", text, err)
		}
	}
	if got := nhi.Earliest(time.Time{}, local, local.Add(-1)); !got.Equal(local.Add(-1)) {
		t.Errorf("got %s", got)
	}
	if !nhi.Earliest().IsZero() {
		t.Error("no time is the earliest of none")
	}
}

func TestPrincipalsTellGrantsApart(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, grant := range []nhi.ApprovalID{
		"production/a/etl:default", "production/b/etl:default", "sandbox/a/etl:default", "production/a/etl:other",
	} {
		for _, target := range []string{"db", "box"} {
			principal := nhi.Principal(grant, target)
			if seen[principal] || len(principal) > nhi.MaxName+7 || principal[:4] != "etl-" {
				t.Errorf("%s %s: %q", grant, target, principal)
			}
			seen[principal] = true
		}
	}
}

func TestMarksOfOthersAreNotOurs(t *testing.T) {
	t.Parallel()
	good := nhi.Mark{Ledger: sampleLedger, Grant: sampleRequest().Approval, Target: "db", Nonce: sampleNonce}
	if again, err := nhi.ParseMark(good.String()); err != nil || again != good {
		t.Errorf("got %v, %v", again, err)
	}
	for _, text := range []string{
		"", "nhi:1", good.String() + " ", " " + good.String(), good.String() + "\n", "nhi:2" + good.String()[5:], good.String() + " x",
		"nhi:1 " + sampleLedger + " a/b/c:d ../x " + sampleNonce, "nhi:1 " + sampleLedger + " a/b/c db " + sampleNonce, "nhi:1 x a/b/c:d db " + sampleNonce,
	} {
		if _, err := nhi.ParseMark(text); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q: err = %v, want ErrInvalid", text, err)
		}
	}
}
