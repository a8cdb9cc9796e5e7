package main

import (
	"context"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func (s *story) install(ctx context.Context) error {
	began := time.Now()
	s.line("    (The first time, Go compiles everything, which can take minutes.)")
	if err := s.place.build(ctx); err != nil {
		return err
	}
	s.built = time.Since(began)
	s.line("    Built. The same program is the provider and, for people, the tool nhi.")
	return nil
}

func (s *story) people(ctx context.Context) error {
	if err := s.keys.make("root", "ana", "ben", "rae", "ca", "host", "etl", "repair"); err != nil {
		return err
	}
	host, err := s.keys.signer("host")
	if err != nil {
		return err
	}
	ca, err := s.keys.signer("ca")
	if err != nil {
		return err
	}
	s.server, err = startServer(ctx, host, ca.PublicKey(), s.place.path("work/revoked.krl"))
	if err != nil {
		return err
	}
	known := knownhosts.Line([]string{s.server.address}, host.PublicKey()) + "\n"
	if err := os.WriteFile(s.place.knownHosts(), []byte(known), 0o600); err != nil {
		return err
	}
	s.line("    The server listens on %s. Rae will ask; Ana and Ben decide.", s.server.address)
	return s.door(ctx, "etl", reasonBare)
}

func (s *story) rules(ctx context.Context) error {
	ca, err := s.keys.signer("ca")
	if err != nil {
		return err
	}
	done, err := s.nhi(ctx, 0, "init", "--scope", "payments/etl", "--root-key", "keys/root", "--pin",
		"--approver", "ana@example.com=keys/ana.pub", "--approver", "ben@example.com=keys/ben.pub",
		"--requester", "rae@example.com=keys/rae.pub",
		"--system", "bastion:ssh="+ssh.FingerprintSHA256(ca.PublicKey()))
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, "the ledger ", "the first policy", "signed by", "Its one rule"))
	return done.says("Its one rule needs 2 of 2 approvers")
}

func (s *story) write(ctx context.Context) error {
	text := configuration(s.server.address, s.term)
	if err := s.place.write("main.tf", text); err != nil {
		return err
	}
	s.quote(resources(text, `"nhi_approval" "etl"`, `"nhi_grant" "etl"`))
	s.line("      … and the same for %q, for an hour", "repair")
	done, err := s.terraform(ctx, 0, "init")
	if err != nil {
		return err
	}
	installed := "Installed nhi-terraform/nhi v" + providerVersion
	s.line("      %s", installed)
	return done.says(installed)
}
