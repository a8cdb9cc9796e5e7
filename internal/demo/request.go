package main

import "context"

func (s *story) ask(ctx context.Context) error {
	done, err := s.terraform(ctx, 2, "plan")
	if err != nil {
		return err
	}
	if err := s.shows(done, "nhi_approval.etl", "required", "status"); err != nil {
		return err
	}
	if err := s.shows(done, "nhi_grant.etl", "active", "status"); err != nil {
		return err
	}
	if err := done.says("Waiting for approval", "needs 2 of group approvers, and 0 have approved"); err != nil {
		return err
	}
	s.quote(excerpt(done.text, "Waiting for approval", "0 have approved"))
	if _, err := s.terraform(ctx, 0, "apply"); err != nil {
		return err
	}
	return s.door(ctx, "etl", reasonBare)
}

func (s *story) read(ctx context.Context) error {
	done, err := s.nhi(ctx, 0, "requests")
	if err != nil {
		return err
	}
	if err := done.says(nightly, repair); err != nil {
		return err
	}
	s.quote(excerpt(done.text, "APPROVAL ", "production/payments/etl/orders-etl:default ", "orders-etl:repair "))
	if done, err = s.nhi(ctx, 0, "show", nightly); err != nil {
		return err
	}
	if err := done.says("asked by rae@example.com, proven by a signature", "principal deploy on bastion", s.term.String()+" from its activation"); err != nil {
		return err
	}
	s.quote(excerpt(done.text, "asked by", "because", "owner", "Access", "+ ", "For how long", "from its activation", "Decision", "decides", "must approve"))
	return nil
}

// approve lets Rae try, then Ana, then Ben; a plan in between shows that one
// yes changes nothing.
func (s *story) approve(ctx context.Context) error {
	done, err := s.nhi(ctx, 1, s.yes("rae")...)
	if err != nil {
		return err
	}
	if err := done.says("nobody's yes counts for what they ask for"); err != nil {
		return err
	}
	s.quote(excerpt(done.text, "Error: ", "would not count"))
	if done, err = s.nhi(ctx, 0, s.yes("ana")...); err != nil {
		return err
	}
	s.quote(excerpt(done.text, "approved by ana@example.com, "))
	if done, err = s.terraform(ctx, 0, "plan"); err != nil {
		return err
	}
	if err := done.says("No changes", "1 has approved (ana@example.com)"); err != nil {
		return err
	}
	s.quote(excerpt(done.text, "No changes", "1 has approved"))
	if err := s.door(ctx, "etl", reasonBare); err != nil {
		return err
	}
	if done, err = s.nhi(ctx, 0, s.yes("ben")...); err != nil {
		return err
	}
	s.quote(excerpt(done.text, "approved by ben@example.com, "))
	return nil
}

// yes is a person's yes to both requests, with one signature.
func (s *story) yes(person string) []string {
	return []string{"approve", nightly, repair, "--key", "keys/" + person, "--yes"}
}
