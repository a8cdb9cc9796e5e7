package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// keyring is a folder with the key files of everybody in the story, as
// ssh-keygen would make them.
type keyring struct{ folder string }

// file is the path of a private key; ".pub" and "-cert.pub" stand beside it.
func (k keyring) file(name string) string { return filepath.Join(k.folder, name) }

// make makes one key pair for each name.
func (k keyring) make(names ...string) error {
	for _, name := range names {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		block, err := ssh.MarshalPrivateKey(private, name)
		if err != nil {
			return err
		}
		line, err := ssh.NewPublicKey(public)
		if err != nil {
			return err
		}
		err = errors.Join(
			os.WriteFile(k.file(name), pem.EncodeToMemory(block), 0o600),
			os.WriteFile(k.file(name)+".pub", ssh.MarshalAuthorizedKey(line), 0o644))
		if err != nil {
			return err
		}
	}
	return nil
}

// signer loads a private key.
func (k keyring) signer(name string) (ssh.Signer, error) {
	data, err := os.ReadFile(k.file(name))
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(data)
}

// certificate loads the certificate beside a key; nil where there is none.
func (k keyring) certificate(name string) (*ssh.Certificate, error) {
	data, err := os.ReadFile(k.file(name) + "-cert.pub")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil, err
	}
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, errors.New(k.file(name) + "-cert.pub is no certificate")
	}
	return certificate, nil
}
