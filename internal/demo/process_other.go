//go:build !unix

package main

import "os/exec"

// lead does nothing here: a command that is stopped is killed.
func lead(*exec.Cmd) {}

// disband does nothing here: a plugin ends itself when its parent has died.
func disband(*exec.Cmd) {}
