package provider_test

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// stolenToken has a run get a token for the machine, waits until the machine
// has it, and kills the run, so that nobody gives the token back.
func (l *landscape) stolenToken() string {
	l.t.Helper()
	must(l.t, syscall.Mkfifo(filepath.Join(l.Dir, "end"), 0o600))
	l.Write(l.t, "main.tf", l.read("main.tf")+`
ephemeral "nhi_credential" "kv" {
  lease   = nhi_grant.etl.lease
  target  = "kv"
  ttl     = "30m"
  options = { form = "token" }
}
resource "terraform_data" "job" {
  provisioner "local-exec" {
    quiet       = true
    command     = "printf %s \"$VAULT\" > half && mv half stolen-token && cat end"
    environment = { VAULT = ephemeral.nhi_credential.kv.vault.token }
  }
}
`)
	command := l.Command(context.Background(), "apply", "-no-color", "-input=false", "-auto-approve")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	must(l.t, command.Start())
	defer func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait()
		l.remove(".terraform.tfstate.lock.info")
	}()
	testserver.Wait(l.t, time.Minute, "the machine has a token", func() bool { return l.read("stolen-token") != "" })
	return l.read("stolen-token")
}
