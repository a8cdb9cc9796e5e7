package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// pinFile pins trust roots, below ~/.config and /etc (lifecycle.Pins reads it).
const pinFile = "nhi/trust_root"

// maxPins bounds the file of pins, in bytes.
const maxPins = 64 << 10

// addPin adds a pin to the user's own file, unless it is there.
func (a *app) addPin(pin nhi.Digest, ledgerID string) error {
	if a.Home == "" {
		return errors.New("the home folder is not known")
	}
	if os.Getenv(lifecycle.TrustRootVariable) != "" {
		a.note("%s is set, and where it is, the file of pins is not read.", lifecycle.TrustRootVariable)
	}
	path := filepath.Join(a.Home, ".config", filepath.FromSlash(pinFile))
	known, err := readFile(path, maxPins)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if strings.Contains(string(known), string(pin)) {
		return nil
	}
	const private = 0o700
	if err := os.MkdirAll(filepath.Dir(path), private); err != nil {
		return err
	}
	text := string(known)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text += fmt.Sprintf("%s # ledger %s\n", pin, ledgerID)
	return durable.WriteFile(path, []byte(text), secretMode)
}
