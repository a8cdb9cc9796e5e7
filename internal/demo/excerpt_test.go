package main

import (
	"slices"
	"testing"
)

const somePlan = `
  # nhi_grant.etl will be updated in-place
  ~ resource "nhi_grant" "etl" {
      ~ active   = true -> false
      - findings = [
          - "the term ended",
        ] -> null
      ~ status   = "expired" -> "revoked"
      ~ targets  = {
          ~ "box" = {
              ~ status = "active" -> "revoked"
            },
        }
    }

  # nhi_grant.etl2 will be updated in-place
  ~ resource "nhi_grant" "etl2" {
      ~ active = false -> true
    }
`

func TestAttributesOfAChange(t *testing.T) {
	got := attributes(change(somePlan, "nhi_grant.etl"), "findings", "status", "nothing")
	want := []string{
		"# nhi_grant.etl will be updated in-place",
		"    - findings = [", `        - "the term ended",`, "      ] -> null",
		`    ~ status   = "expired" -> "revoked"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if none := change(somePlan, "nhi_grant.other"); len(none) > 0 {
		t.Errorf("a resource that does not change: %q", none)
	}
	if other := change(somePlan, "nhi_grant.etl2"); len(other) != 4 {
		t.Errorf("the second resource: %q", other)
	}
}

func TestBroken(t *testing.T) {
	for line, want := range map[string][]string{
		"":               {""},
		"one two":        {"one two"},
		"one two three":  {"one two", "three"},
		"été île où":     {"été île", "où"},
		"oneverylongone": {"oneverylongone"},
	} {
		if got := broken(line, 9); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}
