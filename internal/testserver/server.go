// Package testserver starts the real servers that tests need, on loopback, in
// a folder of their own, and ends them with the test.
package testserver

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// requireServers is the variable that makes a missing server a failure: set
// to 1 in CI, where nothing may be skipped.
const requireServers = "NHI_REQUIRE_SERVERS"

// withoutServers is the variable that hides every server: set to 1, the tests
// run as they do on a machine that has none.
const withoutServers = "NHI_WITHOUT_SERVERS"

// Require returns the path of a server's binary, from PATH or from where
// distributions put servers. Where it is missing, the test is skipped with the
// reason, or fails when NHI_REQUIRE_SERVERS is 1.
func Require(t testing.TB, binary string) string {
	t.Helper()
	if os.Getenv(withoutServers) == "1" {
		t.Skipf("%s=1 hides %s", withoutServers, binary)
	}
	if path, err := exec.LookPath(binary); err == nil {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return absolute // sshd insists on being started by its full path
	}
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/bin"} {
		path := filepath.Join(folder, binary)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path
		}
	}
	Missing(t, binary+" is not installed")
	return ""
}

// requireTool is Require for a server that make tools builds from a pinned
// module: what is on PATH comes first.
func requireTool(t testing.TB, name string) string {
	t.Helper()
	if os.Getenv(withoutServers) == "1" {
		return Require(t, name)
	}
	if _, err := exec.LookPath(name); err != nil {
		built := filepath.Join(moduleRoot(), ".tools", "bin", name)
		if _, err := os.Stat(built); err == nil {
			return built
		}
		Missing(t, name+" is neither on PATH nor built (make tools)")
	}
	return Require(t, name)
}

// Missing skips the test with the reason, or fails it when
// NHI_REQUIRE_SERVERS is 1. It does not return.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(requireServers) == "1" {
		t.Fatalf("%s, and %s=1 wants every server", reason, requireServers)
	}
	t.Skip(reason)
}

// FreePort returns a loopback port that nothing listens on now. Somebody else
// may take it before the caller does: whoever starts a server on it tries
// again with another one.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listening on %s", listener.Addr())
	}
	return address.Port
}

// Wait polls until done says true, and fails the test with what was waited for
// after a deadline.
func Wait(t testing.TB, deadline time.Duration, what string, done func() bool) {
	t.Helper()
	end := time.Now().Add(deadline)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain: %s", deadline, what)
		}
		<-tick.C
	}
}
