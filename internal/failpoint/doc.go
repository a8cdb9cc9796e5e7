// Package failpoint lets tests order a fault at a named step of a run: that it
// is killed there, stopped, delayed, that the step fails, or that its answer is
// lost. It exists in builds with the tag nhi_failpoints alone; in all others a
// point is an empty function and leaves nothing in the binary.
//
// Faults are ordered from outside, in the variable NHI_FAILPOINTS:
//
//	NHI_FAILPOINTS="activate.enable.before=kill;effect.prepare=delay(200ms)"
//	NHI_FAILPOINTS="effect.enable.postgres=2*off->1*lost->off"
//	NHI_FAILPOINTS="@/path/of/a/file"
//
// What stands behind a name is a chain of actions, each with the number of hits
// that it is for; the last one without a number is for all further hits. In a
// file, a line is what is between two semicolons in the variable, and an empty
// file orders nothing. The terms are those of gofail and of pingcap/failpoint;
// both rewrite the code, which this does not need.
//
// The actions are:
//
//	off           nothing
//	kill          the process kills itself (SIGKILL)
//	stop          the process stops itself (SIGSTOP), and goes on after SIGCONT
//	delay(200ms)  it waits, and no longer than its context; an effect on many
//	              accounts is sent for one account at a time, each after a wait
//	error(text)   the step fails, and nothing is done
//	lost          the effect happens, and its answer is lost
package failpoint
