package storetest

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
)

// The test binary starts itself again as another process, told what to do by
// these variables.
const (
	envRole  = "NHI_STORETEST_ROLE"
	envPlace = "NHI_STORETEST_PLACE"
	envChain = "NHI_STORETEST_CHAIN"
)

// What another process does.
const (
	roleSome    = "some"    // appends a few entries
	roleForever = "forever" // appends until it is killed
)

// perProcess is how many entries one process appends to the chain that it
// shares with others, ownEntries how many to one of its own.
const (
	perProcess = 10
	ownEntries = 3
)

const sharedChain = "grant/shared"

// Main is the TestMain of a package that calls RunProcesses. open opens the
// place as another process does: by its name alone.
func Main(m *testing.M, open func(place string) (ledger.Store, error)) {
	if os.Getenv(envRole) == "" {
		os.Exit(m.Run())
	}
	if err := other(open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// other is what the other process does. It says when it is ready, waits for a
// line, and writes a line for each entry that the ledger acknowledged, and
// nothing before that.
func other(open func(place string) (ledger.Store, error)) error {
	ctx, role, name := context.Background(), os.Getenv(envRole), os.Getenv(envChain)
	store, err := open(os.Getenv(envPlace))
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, store, "storetest")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	count := perProcess
	if name != sharedChain {
		count = ownEntries
	}
	chain := ledger.Chain{Name: name}
	for i := 0; role == roleForever || i < count; {
		body := ledger.BlockBody{Reason: strings.Repeat("x", i%5000), By: fmt.Sprint(os.Getpid(), "/", i)}
		grown, err := l.Append(ctx, chain, body)
		if errors.Is(err, ledger.ErrConflict) {
			grown, err = l.Read(ctx, name)
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

// process is another process that runs.
type process struct {
	command *exec.Cmd
	in      io.Writer
	out     *bufio.Reader
	errs    *strings.Builder
}

// start starts another process, and waits until it has the ledger open.
func start(t *testing.T, role, place, chain string) *process {
	t.Helper()
	p := launch(t, role, place, chain)
	p.ready(t)
	return p
}

func launch(t *testing.T, role, place, chain string) *process {
	t.Helper()
	p := &process{command: exec.CommandContext(t.Context(), os.Args[0]), errs: &strings.Builder{}}
	p.command.Env = append(os.Environ(), envRole+"="+role, envPlace+"="+place, envChain+"="+chain)
	p.command.Stderr = p.errs
	p.command.WaitDelay = time.Minute
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if p.in, err = p.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) ready(t *testing.T) {
	t.Helper()
	if line, err := p.out.ReadString('\n'); err != nil || line != "ready\n" {
		_ = p.command.Wait()
		t.Fatalf("another process: %q, %v: %s", line, err, p.errs)
	}
}

func (p *process) run(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.in, "go\n"); err != nil {
		t.Fatal(err)
	}
}

// finish waits for the end, and returns what was acknowledged.
func (p *process) finish(t *testing.T) []string {
	t.Helper()
	out, err := io.ReadAll(p.out)
	if err := errors.Join(err, p.command.Wait()); err != nil {
		t.Fatalf("another process: %v: %s", err, p.errs)
	}
	return strings.Fields(string(out))
}

// RunProcesses tests several processes on one ledger: forty on forty subjects,
// some on one, and one that is killed. Each of its tests calls place once, for
// the name of an empty place; open opens that, as the one in Main does.
func RunProcesses(t *testing.T, open func(place string) (ledger.Store, error), place func(t *testing.T) string) {
	tests := []struct {
		name string
		test func(t *testing.T, open Open, place string)
	}{
		{"forty processes on forty subjects", testFortyProcesses},
		{"processes on one chain", testProcessesOnOneChain},
		{"a writer is killed", testKilledWriter},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name := place(t)
			opened := func() (ledger.Store, error) { return open(name) }
			if _, err := ledger.Create(t.Context(), connect(t, opened), Root(t), "storetest"); err != nil {
				t.Fatal(err)
			}
			test.test(t, opened, name)
		})
	}
}

// counted opens the ledger, requires it to be sound, and returns how often each
// entry is in the chain.
func counted(t *testing.T, open Open, chain string) map[string]int {
	t.Helper()
	l, err := ledger.Open(t.Context(), connect(t, open), "storetest")
	if err != nil {
		t.Fatal(err)
	}
	wantSound(t, l)
	read, err := l.Read(t.Context(), chain)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, entry := range read.Entries {
		if body, ok := entry.Body.(ledger.BlockBody); ok {
			count[body.By]++
		}
	}
	return count
}

func testFortyProcesses(t *testing.T, open Open, place string) {
	const processes = 40
	all := []*process{}
	chain := func(i int) string { return fmt.Sprintf("grant/subject-%02d", i) }
	for i := range processes {
		all = append(all, launch(t, roleSome, place, chain(i)))
	}
	for _, p := range all {
		p.ready(t)
	}
	for _, p := range all { // now that all of them have the ledger open
		p.run(t)
	}
	for i, p := range all {
		if got := p.finish(t); len(got) != ownEntries {
			t.Errorf("process %d wrote %d entries, want %d", i, len(got), ownEntries)
		}
	}
	l, err := ledger.Open(t.Context(), connect(t, open), "storetest")
	if err != nil {
		t.Fatal(err)
	}
	wantSound(t, l)
	for i := range processes {
		if read, err := l.Read(t.Context(), chain(i)); err != nil || len(read.Entries) != ownEntries {
			t.Errorf("%s has %d entries, %v, want %d", chain(i), len(read.Entries), err, ownEntries)
		}
	}
}

func testProcessesOnOneChain(t *testing.T, open Open, place string) {
	const processes = 4
	all := []*process{}
	for range processes {
		all = append(all, start(t, roleSome, place, sharedChain))
	}
	for _, p := range all {
		p.run(t)
	}
	acknowledged := []string{}
	for _, p := range all {
		acknowledged = append(acknowledged, p.finish(t)...)
	}
	count := counted(t, open, sharedChain)
	if len(acknowledged) != processes*perProcess || len(count) != processes*perProcess {
		t.Errorf("%d acknowledged, %d entries, want %d", len(acknowledged), len(count), processes*perProcess)
	}
	for _, by := range acknowledged {
		if count[by] != 1 {
			t.Errorf("%s is there %d times", by, count[by])
		}
	}
}

// A writer is killed while another one writes: what either was told is stored
// is stored, once, and the other goes on.
func testKilledWriter(t *testing.T, open Open, place string) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGKILL")
	}
	const rounds = 5
	acknowledged := []string{}
	for round := range rounds {
		victim, survivor := start(t, roleForever, place, sharedChain), start(t, roleSome, place, sharedChain)
		victim.run(t)
		survivor.run(t)
		lines := bufio.NewScanner(victim.out)
		for n := 0; n < 1+round*3 && lines.Scan(); n++ {
			acknowledged = append(acknowledged, lines.Text())
		}
		if err := victim.command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// What it wrote to the pipe before it died was acknowledged too.
		for lines.Scan() {
			acknowledged = append(acknowledged, lines.Text())
		}
		var exit *exec.ExitError
		if err := victim.command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("round %d: %v: %s", round, err, victim.errs)
		}
		acknowledged = append(acknowledged, survivor.finish(t)...)
		count := counted(t, open, sharedChain)
		for _, by := range acknowledged {
			if count[by] != 1 {
				t.Fatalf("round %d: %s was acknowledged and is there %d times", round, by, count[by])
			}
		}
	}
}
