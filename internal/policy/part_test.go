package policy_test

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func TestPart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		votes []vote
		who   string
		want  policy.Part
	}{
		"no word":                  {[]vote{yes("ana")}, "ben", policy.Part{Heeded: true}},
		"a yes":                    {[]vote{yes("ana")}, "ana", policy.Part{Word: nhi.VerdictApprove, Heeded: true}},
		"a yes of no group":        {[]vote{yes("eve")}, "eve", policy.Part{Word: nhi.VerdictApprove, Asked: true}},
		"a no":                     {[]vote{no("ana", nhi.VerdictDeny, time.Hour)}, "ana", policy.Part{Word: nhi.VerdictDeny, Heeded: true}},
		"a yes that was withdrawn": {[]vote{{key: "ben", at: time.Hour}, no("ben", nhi.VerdictWithdraw, 0)}, "ben", policy.Part{Heeded: true}},
		"a no that was withdrawn":  {[]vote{no("ben", nhi.VerdictDeny, time.Hour), no("ben", nhi.VerdictWithdraw, 0)}, "ben", policy.Part{Heeded: true}},
		"a stranger":               {[]vote{yes("mallory")}, "mallory", policy.Part{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := parse(t, source()).Part(input(t, orders(), c.votes...), person(c.who))
			if got.Word != c.want.Word || got.Heeded != c.want.Heeded || got.Asked != c.want.Asked || got.SignedAt.IsZero() != (c.want.Word == "") {
				t.Errorf("the part is %+v, want %+v", got, c.want)
			}
		})
	}
}
