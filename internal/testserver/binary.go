package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// tags are the build tags of a binary for tests. With nhi_clock it takes the
// difference to the machine's clock from the file that ClockFile names; with
// nhi_failpoints it does what Failpoints orders. Released binaries are built
// without both.
const tags = "nhi_clock,nhi_failpoints"

// Failpoints is the environment variable that orders faults of a binary built
// for tests: see internal/failpoint.
const Failpoints = "NHI_FAILPOINTS"

// ClockFile is the environment variable that names a file with a Go duration:
// how far ahead of the machine's clock a binary built for tests is.
const ClockFile = "NHI_TEST_CLOCK"

// binary is built once for each test process, and removed by the system's own
// cleaning of temporary folders, or by the last test: see Binary.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nhi-binary-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "terraform-provider-nhi")
	build := exec.Command("go", "build", "-tags", tags, "-o", path, ".")
	build.Dir = moduleRoot()
	if out, err := build.CombinedOutput(); err != nil {
		return "", &buildError{string(out), err}
	}
	return path, nil
})

type buildError struct {
	out string
	err error
}

func (e *buildError) Error() string { return "go build: " + e.err.Error() + "\n" + e.out }

// Binary returns the path of the provider's own binary, built with the seam
// for time and with failpoints.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// RemoveBinary removes what Binary built. TestMain of a package that used it
// calls it at the end.
func RemoveBinary() {
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}

// moduleRoot is the folder of go.mod, from where this file was compiled.
func moduleRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
