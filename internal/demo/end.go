package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// wait logs in once a second until the server refuses, which must be at the
// end of the certificate and for that reason alone.
func (s *story) wait(ctx context.Context) error {
	began := time.Now()
	for {
		made, err := s.login(ctx, "etl", users["etl"])
		switch {
		case err != nil:
			s.ticked()
			return err
		case made.is() && made.left < -5*time.Second:
			return fmt.Errorf("the server still lets in, %s after the end of the certificate", -made.left)
		case made.is():
			s.tick(int(math.Ceil(made.left.Seconds())))
			sleep(ctx, time.Second)
			continue
		case made.left > time.Second:
			return errors.New(made.told("etl", users["etl"]))
		}
		s.ticked()
		s.waited = time.Since(began)
		return s.door(ctx, "etl", reasonExpired)
	}
}

func (s *story) notice(ctx context.Context) error {
	done, err := s.terraform(ctx, 2, "plan")
	if err != nil {
		return err
	}
	if err := s.shows(done, "nhi_grant.etl", "findings", "active", "status", "privileges"); err != nil {
		return err
	}
	if err := changes(done, "nhi_grant.etl", `the term ended`, `~ active = true -> false`, `~ status = "expired" -> "revoked"`); err != nil {
		return err
	}
	if len(change(done.text, "nhi_grant.repair")) > 0 {
		return fmt.Errorf("the plan also touches the access that has not ended:\n%s", done.text)
	}
	return nil
}

func (s *story) revoke(ctx context.Context) error {
	done, err := s.terraform(ctx, 0, "apply")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, "nhi_grant.etl: Modifications complete", "Apply complete"))
	if err := s.door(ctx, "etl", reasonRevoked, reasonExpired); err != nil {
		return err
	}
	return s.door(ctx, "repair")
}

func (s *story) destroy(ctx context.Context) error {
	if err := s.applied(ctx, "destroy", "nhi_grant.repair: Destruction complete", "Destroy complete"); err != nil {
		return err
	}
	return s.door(ctx, "repair", reasonRevoked)
}

func (s *story) verify(ctx context.Context) error {
	done, err := s.nhi(ctx, 0, "verify")
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, ""))
	return done.says("2 requests, 4 decisions, 2 activations", "Everything that can be checked here is as it must be")
}
