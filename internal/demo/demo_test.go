package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// cliUnderTest is the CLI that tools/testenv.sh has chosen, or one on PATH.
func cliUnderTest(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("the story takes its time")
	}
	if path := os.Getenv("TF_ACC_TERRAFORM_PATH"); path != "" {
		return path
	}
	path, err := findCLI()
	if err != nil {
		t.Skip(err)
	}
	return path
}

// TestStory tells the whole story as `make demo` does, with the same term: it
// is the time to log in on a busy machine, and waiting costs it nothing.
func TestStory(t *testing.T) {
	t.Parallel()
	cli := cliUnderTest(t)
	var told bytes.Buffer
	if err := tell(t.Context(), &page{out: &told}, cli, shortTerm); err != nil {
		t.Fatalf("%v\n\nafter this:\n%s", err, told.String())
	}
	t.Log(told.String())
	for _, text := range []string{
		`+ status  = "pending"`, `~ status         = "approved" -> "active"`, `~ status         = "expired" -> "revoked"`,
		"lets etl in as deploy", "refuses etl (expired)", "refuses etl (in the revocation list, and expired)", "refuses repair, with ",
		"Proven with ",
	} {
		if !strings.Contains(told.String(), text) {
			t.Errorf("%q is missing in:\n%s", text, told.String())
		}
	}
	if strings.Contains(told.String(), "\x1b") {
		t.Error("there is colour without a terminal")
	}
	removed(t, told.String())
}

// removed fails the test where the story's folder is still there.
func removed(t *testing.T, told string) {
	t.Helper()
	heading, _, _ := strings.Cut(told, "\n")
	_, folder, found := strings.Cut(heading, ", in ")
	if !found || !strings.Contains(folder, "nhi-demo-") {
		t.Fatalf("no folder in %q", heading)
	}
	if left, err := filepath.Glob(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestStopped stops the story while Terraform runs: it says so, and leaves
// nothing behind.
func TestStopped(t *testing.T) {
	t.Parallel()
	cli := cliUnderTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := &watcher{text: " apply", seen: cancel}
	err := tell(ctx, &page{out: told}, cli, shortTerm)
	if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Fatalf("error %v, after this:\n%s", err, told)
	}
	if strings.Contains(told.String(), "Proven") {
		t.Errorf("a story that was stopped proves nothing:\n%s", told)
	}
	removed(t, told.String())
}

// watcher is a buffer that calls seen once a text was written.
type watcher struct {
	bytes.Buffer
	text string
	seen func()
	once sync.Once
}

// Write implements io.Writer.
func (w *watcher) Write(data []byte) (int, error) {
	if bytes.Contains(data, []byte(w.text)) {
		w.once.Do(w.seen)
	}
	return w.Buffer.Write(data)
}
