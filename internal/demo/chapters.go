package main

import "context"

func (s *story) ask(ctx context.Context) error {
	done, err := s.terraform(ctx, 2, "plan")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	if done, err = s.terraform(ctx, 0, "apply"); err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return s.door(ctx, "etl", "deploy", reasonBare)
}

func (s *story) read(ctx context.Context) error {
	done, err := s.nhi(ctx, "requests")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	if done, err = s.nhi(ctx, "show", nightly); err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return nil
}

func (s *story) approve(ctx context.Context) error {
	for _, person := range []string{"ana", "ben"} {
		done, err := s.nhi(ctx, "approve", nightly, repair, "--key", "keys/"+person, "--yes")
		if err != nil {
			return err
		}
		s.quote(excerpt(done.text, ""))
	}
	return nil
}

func (s *story) foresee(ctx context.Context) error {
	done, err := s.terraform(ctx, 2, "plan")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return nil
}

func (s *story) activate(ctx context.Context) error {
	done, err := s.terraform(ctx, 0, "apply")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return nil
}

func (s *story) use(ctx context.Context) error {
	if err := s.door(ctx, "etl", "deploy"); err != nil {
		return err
	}
	return s.door(ctx, "repair", "repair")
}

func (s *story) wait(ctx context.Context) error {
	return nil
}

func (s *story) notice(ctx context.Context) error {
	sleep(ctx, s.term)
	done, err := s.terraform(ctx, 2, "plan")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return nil
}

func (s *story) revoke(ctx context.Context) error {
	done, err := s.terraform(ctx, 0, "apply")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return s.door(ctx, "etl", "deploy", reasonRevoked, reasonExpired)
}

func (s *story) destroy(ctx context.Context) error {
	done, err := s.terraform(ctx, 0, "destroy")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return s.door(ctx, "repair", "repair", reasonRevoked)
}

func (s *story) verify(ctx context.Context) error {
	done, err := s.nhi(ctx, "verify")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return nil
}
