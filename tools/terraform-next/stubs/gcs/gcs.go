// Package gcs stands in for Terraform's backend "gcs".
package gcs

import (
	"github.com/hashicorp/terraform/internal/backend"
	"github.com/hashicorp/terraform/internal/legacy"
)

// New returns a backend that only says that it is not there.
func New() backend.Backend { return legacy.Missing("gcs") }
