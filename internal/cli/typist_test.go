package cli_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// typist is a terminal at which somebody types what was decided before.
type typist struct {
	answer, secret string
	before         func() // runs while the person reads
	prompts        []string
}

// Ask implements cli.Terminal.
func (p *typist) Ask(_ context.Context, prompt string) (string, error) {
	p.prompts = append(p.prompts, prompt)
	if p.before != nil {
		p.before()
	}
	return p.answer, nil
}

// Secret implements cli.Terminal.
func (p *typist) Secret(_ context.Context, prompt string) ([]byte, error) {
	p.prompts = append(p.prompts, prompt)
	return []byte(p.secret), nil
}

// keygen runs ssh-keygen, which only a bare machine may lack.
func keygen(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("NHI_REQUIRE_SERVERS") != "" {
			t.Fatal("ssh-keygen is missing, and NHI_REQUIRE_SERVERS is set")
		}
		t.Skip("ssh-keygen is missing")
	}
	command := exec.Command("ssh-keygen", args...)
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen %v: %v\n%s", args, err, out)
	}
	return string(out)
}
