//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// lead makes a command the leader of a process group. A ctrl-C at the terminal
// then reaches us alone, and we interrupt the command once: Terraform takes a
// second interrupt for "leave everything as it is".
func lead(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
}

// disband ends what is left of the group of a command that has ended.
func disband(command *exec.Cmd) {
	if command.Process != nil {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}
