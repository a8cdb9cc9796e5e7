package cli_test

import (
	"os"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testserver.RemoveBinary()
	os.Exit(code)
}
