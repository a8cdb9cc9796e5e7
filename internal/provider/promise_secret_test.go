package provider_test

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestPromise13NoSecret: a canary in every credential and every provider
// setting is absent from state, plan and its JSON, the log at TRACE,
// diagnostics and ledger.
func TestPromise13NoSecret(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access())+l.job())
	log := filepath.Join(l.Dir, "trace.log")
	l.Env = append(l.Env, "TF_LOG=TRACE", "TF_LOG_PATH="+log, "NHI_LOG=TRACE")
	var printed strings.Builder
	say := func(texts ...string) {
		for _, text := range texts {
			printed.WriteString(text)
		}
	}
	first := l.Apply(t)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	planned := l.Plan(t, "-out=plan")
	shown := l.Run(t, "show", "-json", "plan")
	applied := l.applySaved("plan")
	wants(t, applied, 0, "active = true")
	state := l.Run(t, "show", "-json")
	again, failed := l.Plan(t), l.failing()
	l.advance(721 * time.Hour)
	expired := l.Apply(t)
	url := l.read("stolen-url")
	password := between(url, ":", "@")
	if len(password) < 16 {
		t.Fatalf("the job got no credential: %d characters", len(password))
	}
	for _, result := range []string{first.Stdout, first.Stderr, planned.Stdout, shown.Stdout, applied.Stdout, applied.Stderr, state.Stdout, again.Stdout, expired.Stdout, expired.Stderr, failed} {
		say(result)
	}
	places := map[string]string{
		"output": printed.String(), "trace log": l.readFile(log), "plan file": l.unzipped("plan"),
		"state": l.read("terraform.tfstate") + l.read("terraform.tfstate.backup"), "ledger": l.folder(".nhi"),
	}
	canaries := map[string]string{
		"the admin's password": l.db.Password(), "a password that fails": wrongPassword, "the job's password": password,
		"the CA's key": keyBody(l.readFile(l.sshd.CAKeyFile)), "the requester's key": keyBody(l.readFile(l.keyFile(rae))),
	}
	for place, text := range places {
		if text == "" {
			t.Errorf("nothing to look at in %s", place)
		}
		for what, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s is in the %s", what, place)
			}
		}
	}
}

// wrongPassword is a password that no system takes.
const wrongPassword = "a-canary-that-fails-7fd1c9"

// failing runs plans whose system cannot be used, and returns what they print:
// clients quote what they were given when they complain.
func (l *landscape) failing() string {
	l.t.Helper()
	good := l.db.URL("")
	bad := strings.Replace(good, l.db.Password(), wrongPassword, 1)
	env := l.Env
	defer func() { l.Env = env }()
	var printed strings.Builder
	for _, url := range []string{bad, strings.Replace(bad, "@", "@@", 1), bad + "%zz", strings.Replace(bad, "postgres:", "post gres:", 1)} {
		l.Env = append(slices.Clone(env), "TF_VAR_orders_url="+url)
		result := l.Plan(l.t)
		if !strings.Contains(result.Text(), "orders") {
			l.t.Errorf("nothing is said of the system:\n%s", result.Text())
		}
		printed.WriteString(result.Stdout + result.Stderr)
	}
	return printed.String()
}

// between returns what stands between the last start before end, and end.
func between(text, start, end string) string {
	before, _, _ := strings.Cut(text, end)
	return before[strings.LastIndex(before, start)+1:]
}

// keyBody is a line from the middle of a private key file.
func keyBody(file string) string {
	lines := strings.Split(file, "\n")
	return lines[3]
}

// unzipped returns the contents of a plan file, which is a ZIP archive.
func (w *world) unzipped(name string) string {
	w.t.Helper()
	archive, err := zip.OpenReader(filepath.Join(w.Dir, name))
	must(w.t, err)
	defer func() { _ = archive.Close() }()
	var all strings.Builder
	for _, file := range archive.File {
		reader, err := file.Open()
		must(w.t, err)
		_, err = io.Copy(&all, reader)
		must(w.t, err)
		must(w.t, reader.Close())
	}
	return all.String()
}

// folder returns the contents of every file of a folder.
func (w *world) folder(name string) string {
	w.t.Helper()
	var all strings.Builder
	must(w.t, filepath.WalkDir(filepath.Join(w.Dir, name), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	}))
	return all.String()
}
