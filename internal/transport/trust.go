package transport

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxAuthorities bounds a file of certificate authorities, in bytes.
const maxAuthorities = 1 << 20

// Trust returns a configuration that trusts the authorities in a PEM file, or this
// machine's own where file is empty. Errors are nhi.ErrInvalid.
func Trust(file string) (*tls.Config, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return trust, nil
	}
	// A pipe would be waited for, and for ever.
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, nhi.ErrInvalid)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%.200q is not a file: %w", file, nhi.ErrInvalid)
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, nhi.ErrInvalid)
	}
	defer func() { _ = opened.Close() }()
	pem, err := io.ReadAll(io.LimitReader(opened, maxAuthorities))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, nhi.ErrInvalid)
	}
	trust.RootCAs = x509.NewCertPool()
	if !trust.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%.200q holds no certificate: %w", file, nhi.ErrInvalid)
	}
	return trust, nil
}
