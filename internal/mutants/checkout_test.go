//go:build mutants

package mutants

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// checkout is a copy of the repository that may be broken.
type checkout struct{ dir string }

// newCheckout copies what git tracks, and what it would track: the code as it
// stands, without .git and without what was built.
func newCheckout(t *testing.T) checkout {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	names, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	c := checkout{dir: t.TempDir()}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, name), filepath.Join(c.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// The servers that make tools built are the same for every copy.
	if tools := filepath.Join(root, ".tools"); exists(tools) {
		if err := os.Symlink(tools, filepath.Join(c.dir, ".tools")); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// copyFile copies a file with its mode. One that git knows and that was
// removed since is left out.
func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}

// try makes a mutant's edit, runs its test, and takes the edit back.
func (c checkout) try(ctx context.Context, m mutant) (verdict, error) {
	file := filepath.Join(c.dir, filepath.FromSlash(m.file))
	source, err := os.ReadFile(file)
	if err != nil {
		return verdict{}, err
	}
	broken, err := m.apply(string(source))
	if err != nil {
		return verdict{}, err
	}
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		return verdict{}, err
	}
	defer func() { _ = os.WriteFile(file, source, 0o600) }()
	if err := c.builds(ctx, path.Dir(m.file)); err != nil {
		return verdict{}, err
	}
	return c.test(ctx, m.folder, m.test)
}

// builds vets the package that was edited, and the program with all that it is
// made of: a mutant that does not compile breaks no promise. The program is
// meant as the tests build it, with the seam for time.
func (c checkout) builds(ctx context.Context, folder string) error {
	vet := exec.CommandContext(ctx, "go", "vet", "-tags", "nhi_clock", "./"+folder, ".")
	vet.Dir = c.dir
	if out, err := vet.CombinedOutput(); err != nil {
		return fmt.Errorf("it does not build: %w\n%s", err, out)
	}
	return nil
}
