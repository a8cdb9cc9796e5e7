//go:build linux

package killpoint

import "syscall"

// sysRenameat2 has no name in the standard library.
const sysRenameat2 = 316

// shapes are the calls that change what is on a disk.
var shapes = map[uint64]shape{
	syscall.SYS_WRITE:     {"write", 0, none, true, none},
	syscall.SYS_PWRITE64:  {"pwrite64", 0, none, true, none},
	syscall.SYS_WRITEV:    {"writev", 0, none, true, none},
	syscall.SYS_PWRITEV:   {"pwritev", 0, none, true, none},
	syscall.SYS_FSYNC:     {"fsync", 0, none, false, none},
	syscall.SYS_FDATASYNC: {"fdatasync", 0, none, false, none},
	syscall.SYS_FTRUNCATE: {"ftruncate", 0, none, true, none},
	syscall.SYS_FALLOCATE: {"fallocate", 0, none, true, none},
	syscall.SYS_OPEN:      {"open", none, 0, true, 1},
	syscall.SYS_OPENAT:    {"openat", none, 1, true, 2},
	syscall.SYS_UNLINK:    {"unlink", none, 0, false, none},
	syscall.SYS_UNLINKAT:  {"unlinkat", none, 1, false, none},
	syscall.SYS_RENAME:    {"rename", none, 1, false, none},
	syscall.SYS_RENAMEAT:  {"renameat", none, 3, false, none},
	sysRenameat2:          {"renameat2", none, 3, false, none},
	syscall.SYS_LINK:      {"link", none, 1, true, none},
	syscall.SYS_LINKAT:    {"linkat", none, 3, true, none},
	syscall.SYS_MKDIR:     {"mkdir", none, 0, true, none},
	syscall.SYS_MKDIRAT:   {"mkdirat", none, 1, true, none},
}

// canFail says whether calls can be made to fail here.
const canFail = true

// skip makes the call that a thread is about to make none.
func skip(thread int) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	regs.Orig_rax = ^uint64(0)
	return syscall.PtraceSetRegs(thread, &regs)
}

// setResult makes the call that a thread has made fail.
func setResult(thread int, errno syscall.Errno) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	regs.Rax = -uint64(errno)
	return syscall.PtraceSetRegs(thread, &regs)
}
