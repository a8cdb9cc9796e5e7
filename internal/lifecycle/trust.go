package lifecycle

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TrustRootVariable is the environment variable that pins the trust root.
const TrustRootVariable = "NHI_TRUST_ROOT"

// trustRootFile is the name of the file that pins trust roots, below a folder
// that the configuration does not choose.
const trustRootFile = "nhi/trust_root"

// ErrUntrusted says that no pin from outside the configuration names the
// ledger's trust root.
var ErrUntrusted = errors.New("the trust root is not pinned")

// Pins returns the digests of the trust roots that this machine trusts: those
// of NHI_TRUST_ROOT, else of ~/.config/nhi/trust_root, else of
// /etc/nhi/trust_root. One digest a line; a # starts a comment. None is
// ErrUntrusted.
func Pins() ([]nhi.Digest, error) {
	if text := os.Getenv(TrustRootVariable); text != "" {
		return parsePins(TrustRootVariable, text)
	}
	for _, path := range pinFiles() {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", path, err, ErrUntrusted)
		}
		return parsePins(path, string(text))
	}
	return nil, fmt.Errorf("neither %s nor %s is set up: %w", TrustRootVariable, strings.Join(pinFiles(), " nor "), ErrUntrusted)
}

// pinFiles lists the places of the pin, the user's own first.
func pinFiles() []string {
	files := []string{"/etc/" + trustRootFile}
	if home, err := os.UserHomeDir(); err == nil {
		files = append([]string{filepath.Join(home, ".config", trustRootFile)}, files...)
	}
	return files
}

func parsePins(source, text string) ([]nhi.Digest, error) {
	var pins []nhi.Digest
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		pin, err := nhi.ParseDigest(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", source, err, ErrUntrusted)
		}
		pins = append(pins, pin)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", source, err, ErrUntrusted)
	}
	if len(pins) == 0 {
		return nil, fmt.Errorf("%s names no trust root: %w", source, ErrUntrusted)
	}
	return pins, nil
}
