package main

import "context"

func (s *story) foresee(ctx context.Context) error {
	done, err := s.terraform(ctx, 2, "plan")
	if err != nil {
		return err
	}
	if err := s.shows(done, "nhi_grant.etl", "findings", "active", "status", "privileges"); err != nil {
		return err
	}
	for _, address := range []string{"nhi_grant.etl", "nhi_grant.repair"} {
		if err := changes(done, address, `~ active = false -> true`, `~ status = "approved" -> "active"`); err != nil {
			return err
		}
	}
	s.quote(excerpt(done.text, "Plan: "))
	return nil
}

func (s *story) activate(ctx context.Context) error {
	return s.applied(ctx, "apply", "nhi_grant.etl: Modifications complete", "nhi_grant.repair: Modifications complete", "Apply complete")
}

// use logs in with the certificates, which the configuration has put beside
// the keys.
func (s *story) use(ctx context.Context) error {
	if err := s.door(ctx, "etl"); err != nil {
		return err
	}
	return s.door(ctx, "repair")
}
