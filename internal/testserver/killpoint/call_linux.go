//go:build linux && (amd64 || arm64)

package killpoint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

// call is one call that counts.
type call struct {
	text       string
	number     int
	needsSpace bool
	failing    bool
}

// shape says where a call names its file, and what it does.
type shape struct {
	name string
	// descriptor and path are the argument that names the file; -1 for none.
	descriptor, path int
	needsSpace       bool
	// creates is the argument that must hold O_CREAT for the call to count; -1
	// where it counts always.
	creates int
}

const none = -1

// syscallInfo is struct ptrace_syscall_info of the kernel.
type syscallInfo struct {
	Op   uint8
	_    [3]uint8
	Arch uint32
	_    [2]uint64
	Nr   uint64
	Args [6]uint64
	_    [2]uint64
}

func (i syscallInfo) leaving() bool {
	const exit = 2 // PTRACE_SYSCALL_INFO_EXIT
	return i.Op == exit
}

// callInfo says at which call a thread stopped. It is the same on every
// architecture.
func callInfo(thread int) (syscallInfo, error) {
	const getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	var info syscallInfo
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return info, errno
	}
	return info, nil
}

// describe says what a call is about, and whether it changes a file below the
// plan's folder.
func (t *tracer) describe(thread int, info syscallInfo) (call, bool) {
	shape, known := shapes[info.Nr]
	if !known || shape.creates != none && info.Args[shape.creates]&syscall.O_CREAT == 0 {
		return call{}, false
	}
	var path string
	var err error
	if shape.descriptor != none {
		path, err = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", thread, info.Args[shape.descriptor]))
	} else {
		path, err = textAt(thread, info.Args[shape.path])
	}
	if err != nil || path != t.plan.Dir && !strings.HasPrefix(path, t.plan.Dir+"/") {
		return call{}, false
	}
	name, err := filepath.Rel(t.plan.Dir, path)
	if err != nil {
		name = path
	}
	return call{text: shape.name + " " + name, needsSpace: shape.needsSpace}, true
}

// textAt reads a text that ends in a zero byte from the memory of a thread.
func textAt(thread int, address uint64) (string, error) {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", thread))
	if err != nil {
		return "", err
	}
	defer func() { _ = memory.Close() }()
	const longest = 4096
	data := make([]byte, longest)
	n, err := memory.ReadAt(data, int64(address))
	text, _, whole := bytes.Cut(data[:n], []byte{0})
	if !whole {
		return "", err
	}
	return string(text), nil
}
