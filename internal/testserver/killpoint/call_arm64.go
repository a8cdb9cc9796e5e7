//go:build linux

package killpoint

import "syscall"

// sysRenameat2 has no name in the standard library.
const sysRenameat2 = 276

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
	syscall.SYS_OPENAT:    {"openat", none, 1, true, 2},
	syscall.SYS_UNLINKAT:  {"unlinkat", none, 1, false, none},
	syscall.SYS_RENAMEAT:  {"renameat", none, 3, false, none},
	sysRenameat2:          {"renameat2", none, 3, false, none},
	syscall.SYS_LINKAT:    {"linkat", none, 3, true, none},
	syscall.SYS_MKDIRAT:   {"mkdirat", none, 1, true, none},
}

// canFail says whether calls can be made to fail here.
const canFail = false

func skip(int) error { return ErrUnsupported }

func setResult(int, syscall.Errno) error { return ErrUnsupported }
