package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
)

// The test binary starts itself again as another process, told what to do by
// these two variables.
const (
	envRole = "NHI_LOCAL_TEST_ROLE"
	envPath = "NHI_LOCAL_TEST_PATH"
)

const (
	sharedChain = "grant/shared"
	perProcess  = 20
)

func TestMain(m *testing.M) {
	role := os.Getenv(envRole)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := other(role, os.Getenv(envPath)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// other is what the other process does. It writes a line for each entry that
// the ledger acknowledged, and nothing before that.
func other(role, path string) error {
	switch role {
	case "read":
		return readAll(path)
	case "write":
		return writeFew(path)
	}
	ctx := context.Background()
	store, err := local.Open(path, time.Now, true)
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, store, "test")
	if err != nil {
		return err
	}
	chain := ledger.Chain{Name: sharedChain}
	for i := 0; role == "forever" || i < perProcess; {
		body := ledger.BlockBody{Reason: strings.Repeat("x", i%5000), By: fmt.Sprint(os.Getpid(), "/", i)}
		grown, err := l.Append(ctx, chain, body)
		if errors.Is(err, ledger.ErrConflict) {
			grown, err = l.Read(ctx, sharedChain)
		} else if err == nil {
			fmt.Println(body.By)
			i++
		}
		if err != nil {
			return err
		}
		chain = grown
	}
	return l.Close()
}

// readAll opens the ledger as somebody who may not write.
func readAll(path string) error {
	store, err := local.Open(path, time.Now, true)
	if err != nil {
		return err
	}
	l, err := ledger.Open(context.Background(), store, "test")
	if err != nil {
		return err
	}
	chain, err := l.Read(context.Background(), sharedChain)
	if err != nil {
		return err
	}
	fmt.Println("read", len(chain.Entries))
	_, err = l.Append(context.Background(), chain, ledger.BlockBody{})
	fmt.Println("append:", err)
	return l.Close()
}

func start(t *testing.T, role, path string) (*exec.Cmd, io.Reader, *strings.Builder) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), envRole+"="+role, envPath+"="+path)
	errs := &strings.Builder{}
	command.Stderr = errs
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command, out, errs
}

// shared reads the chain that the processes wrote, and requires it to be sound.
func shared(t *testing.T, path string) (*ledger.Ledger, ledger.Chain, map[string]int) {
	t.Helper()
	l, err := ledger.Open(t.Context(), mustOpen(t, path, true), "test")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := l.Read(t.Context(), sharedChain)
	if err != nil {
		t.Fatal(err)
	}
	faults, err := l.Verify(t.Context())
	if err != nil || len(faults) > 0 {
		t.Fatalf("%v, %v", faults, err)
	}
	count := map[string]int{}
	for _, entry := range chain.Entries {
		if body, ok := entry.Body.(ledger.BlockBody); ok {
			count[body.By]++
		}
	}
	return l, chain, count
}

func TestProcessesOnOneChain(t *testing.T) {
	t.Parallel()
	path := made(t)
	const processes = 4
	type running struct {
		command *exec.Cmd
		out     io.Reader
		errs    *strings.Builder
	}
	var all []running
	for range processes {
		command, out, errs := start(t, "some", path)
		all = append(all, running{command, out, errs})
	}
	acknowledged := []string{}
	for _, process := range all {
		out, err := io.ReadAll(process.out)
		if err := errors.Join(err, process.command.Wait()); err != nil {
			t.Fatalf("%v: %s", err, process.errs)
		}
		acknowledged = append(acknowledged, strings.Fields(string(out))...)
	}
	l, chain, count := shared(t, path)
	defer l.Close()
	if len(acknowledged) != processes*perProcess || len(chain.Entries) != processes*perProcess {
		t.Errorf("%d acknowledged, %d entries, want %d", len(acknowledged), len(chain.Entries), processes*perProcess)
	}
	for _, by := range acknowledged {
		if count[by] != 1 {
			t.Errorf("%s is there %d times", by, count[by])
		}
	}
}

// A writer is killed while another one writes: what either was told is stored
// is stored, once, and the other goes on.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGKILL")
	}
	path := made(t)
	acknowledged := []string{}
	for round := range 6 {
		victim, out, errs := start(t, "forever", path)
		survivor, survived, survivorErrs := start(t, "some", path)
		lines := bufio.NewScanner(out)
		for n := 0; n < 1+round*3 && lines.Scan(); n++ {
			acknowledged = append(acknowledged, lines.Text())
		}
		if err := victim.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// What it wrote to the pipe before it died was acknowledged too.
		for lines.Scan() {
			acknowledged = append(acknowledged, lines.Text())
		}
		var exit *exec.ExitError
		if err := victim.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("round %d: %v: %s", round, err, errs)
		}
		rest, err := io.ReadAll(survived)
		if err := errors.Join(err, survivor.Wait()); err != nil {
			t.Fatalf("round %d: %v: %s", round, err, survivorErrs)
		}
		acknowledged = append(acknowledged, strings.Fields(string(rest))...)

		l, _, count := shared(t, path)
		for _, by := range acknowledged {
			if count[by] != 1 {
				t.Fatalf("round %d: %s was acknowledged and is there %d times", round, by, count[by])
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
