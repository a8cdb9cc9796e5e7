package connectortest

import (
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// survey: what carries a mark is listed, and what nobody manages as well.
func survey(t *testing.T, s *suite) {
	c := s.open(t)
	surveyor, can := connector.SurveyorOf(c)
	if !can {
		t.Fatal(`the connector is no Surveyor, and Skip["survey"] gives no reason`)
	}
	account := s.activate(t, c)
	s.issue(t, c, account)
	var unmanaged Existing
	if s.Existing != nil {
		unmanaged = s.Existing(t)
	}
	s.unchanged(t, "a survey", func() {
		found, err := surveyor.Survey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(found, func(a, b connector.Sighting) int { return strings.Compare(a.Principal, b.Principal) }) {
			t.Error("the survey is not sorted by name")
		}
		var marked, existing int
		for _, seen := range found {
			switch {
			case seen.Mark == account.Mark:
				marked++
				if seen.Principal != account.Principal || seen.ID != account.ID || seen.Access != nil || len(seen.Privileges) == 0 {
					t.Errorf("ours is listed as %+v", seen)
				}
			case s.Existing != nil && seen.Principal == unmanaged.Name:
				existing++
				checkUnmanaged(t, s, seen)
			}
		}
		if marked != 1 {
			t.Errorf("an account of ours is listed %d times", marked)
		}
		if s.Existing != nil && existing != 1 {
			t.Errorf("an account that nobody manages is listed %d times", existing)
		}
	})
}

func checkUnmanaged(t *testing.T, s *suite, seen connector.Sighting) {
	t.Helper()
	if !seen.Machine || seen.Mark != (nhi.Mark{}) || seen.ID == "" || len(seen.Privileges) == 0 {
		t.Errorf("an account that nobody manages is listed as %+v", seen)
	}
	if s.Kind.Adoption(seen.Access).Name != seen.Principal {
		t.Errorf("the access that takes it over is %v", seen.Access)
		return
	}
	checkAccessValues(t, s.Kind, seen.Access)
}
