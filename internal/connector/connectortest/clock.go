package connectortest

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
)

// clock: the target says what time it is, and asking changes nothing.
func clock(t *testing.T, s *suite) {
	keeper, can := connector.TimekeeperOf(s.open(t))
	if !can {
		t.Fatal(`the connector is no Timekeeper, and Skip["clock"] gives no reason`)
	}
	s.unchanged(t, "asking for the time", func() {
		now, err := keeper.Time(t.Context())
		if err != nil || time.Since(now).Abs() > patience || now.Location() != time.UTC {
			t.Errorf("it is %s there, %v", now, err)
		}
	})
}
