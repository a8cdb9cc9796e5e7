package krl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxBitmap bounds a bitmap of serials, in bytes, as OpenSSH does (bitmap.c).
const maxBitmap = 1 << 21

// Parse reads a list. The error is nhi.ErrInvalid for whatever sshd would not
// read, and for what could not be kept when a serial is added: a signature
// (ErrSigned) or an extension that must be understood.
func Parse(data []byte) (*List, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("revocation list of more than %d bytes: %w", MaxSize, nhi.ErrInvalid)
	}
	if !bytes.HasPrefix(data, []byte(magic)) {
		return nil, fmt.Errorf("%w: %w", ErrNotKRL, nhi.ErrInvalid)
	}
	r := &reader{data: data[len(magic):]}
	if version := r.uint32(); r.err == nil && version != formatVersion {
		r.fail("format version %d is not known", version)
	}
	l := New()
	l.version, l.date, l.flags = r.uint64(), r.uint64(), r.uint64()
	l.reserved, l.comment = r.string(), r.cstring("comment")
	for r.more() {
		l.parseSection(r)
	}
	if r.err != nil {
		return nil, fmt.Errorf("revocation list: %w", r.err)
	}
	return l, nil
}

func (l *List) parseSection(r *reader) {
	s := section{kind: r.byte(), data: r.string(), lastPart: -1}
	if r.err != nil {
		return
	}
	part := &reader{data: s.data}
	switch s.kind {
	case sectionCertificates:
		l.parseCertificates(part, &s)
	case sectionExplicitKey:
		part.blobs("key", 0, l.revoked.keys)
	case sectionSHA1:
		part.blobs("SHA-1", 20, l.revoked.sha1)
	case sectionSHA256:
		part.blobs("SHA-256", 32, l.revoked.sha256)
	case sectionExtension:
		part.extension()
	case sectionSignature:
		r.err = fmt.Errorf("%w: %w", ErrSigned, nhi.ErrInvalid)
		return
	default:
		r.fail("section %d is not known", s.kind)
		return
	}
	part.end("section", s.kind)
	r.err = part.err
	// The reader's bytes are the caller's, and sections grow.
	s.data = bytes.Clone(s.data)
	l.sections = append(l.sections, s)
}

func (l *List) parseCertificates(r *reader, s *section) {
	whole := len(r.data)
	s.ca = string(r.string())
	r.string() // reserved
	if s.ca != "" && r.err == nil {
		if _, err := ssh.ParsePublicKey([]byte(s.ca)); err != nil {
			r.fail("the key of a CA cannot be read (%v)", err)
		}
	}
	authority := l.revoked.authority(s.ca)
	for r.more() {
		s.lastPart = whole - len(r.data)
		kind := r.byte()
		part := &reader{data: r.string()}
		if r.err != nil {
			return
		}
		switch kind {
		case certSerialList:
			for part.more() {
				authority.serials[part.serial()] = true
			}
		case certSerialRange:
			authority.ranges = append(authority.ranges, part.serialRange())
		case certSerialBitmap:
			authority.bitmaps = append(authority.bitmaps, part.bitmap())
		case certKeyID:
			for part.more() {
				authority.keyIDs[string(part.cstring("key id"))] = true
			}
		case certExtension:
			part.extension()
		default:
			part.fail("certificate section %#x is not known", kind)
		}
		part.end("certificate section", kind)
		r.err = part.err
	}
}

// reader reads the parts of a list. The first error sticks.
type reader struct {
	data []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format+": %w", append(args, nhi.ErrInvalid)...)
	}
}

func (r *reader) more() bool { return r.err == nil && len(r.data) > 0 }

func (r *reader) end(what string, kind byte) {
	if r.more() {
		r.fail("%s %#x has %d bytes too many", what, kind, len(r.data))
	}
}

func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.data) {
		r.fail("ends too early")
	}
	if r.err != nil {
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) string() []byte {
	n := r.uint32()
	if r.err == nil && int64(n) > int64(len(r.data)) {
		r.fail("ends too early")
	}
	if r.err != nil {
		return nil
	}
	return r.take(int(n))
}

// cstring reads a string without NUL: to OpenSSH it would end there.
func (r *reader) cstring(what string) []byte {
	text := r.string()
	if strings.ContainsRune(string(text), 0) {
		r.fail("%s holds NUL", what)
	}
	return text
}

// serial reads a serial. Zero cannot be revoked (krl.c).
func (r *reader) serial() uint64 {
	serial := r.uint64()
	if r.err == nil && serial == 0 {
		r.fail("serial 0 is revoked")
	}
	return serial
}

func (r *reader) serialRange() serialRange {
	found := serialRange{first: r.serial(), last: r.uint64()}
	if r.err == nil && found.last < found.first {
		r.fail("serials %d to %d are no range", found.first, found.last)
	}
	return found
}

// bitmap reads a bitmap of serials: bit i, from the end, is offset + i.
func (r *reader) bitmap() serialBitmap {
	found := serialBitmap{offset: r.uint64(), bits: r.string()}
	if r.err != nil {
		return found
	}
	found.bits = bytes.Clone(bytes.TrimLeft(found.bits, "\x00"))
	if len(found.bits) > maxBitmap {
		r.fail("bitmap of %d bytes", len(found.bits))
		return found
	}
	if len(found.bits) == 0 {
		return found
	}
	highest := uint64(len(found.bits)-1)*8 + uint64(bits.Len8(found.bits[0])) - 1 //nolint:gosec // at most maxBitmap, and not empty
	if found.offset > math.MaxUint64-highest {
		r.fail("bitmap goes over the highest serial")
	}
	if found.holds(0) {
		r.fail("serial 0 is revoked")
	}
	return found
}

// blobs reads strings of a size (0: of any) into found.
func (r *reader) blobs(what string, size int, found map[string]bool) {
	for r.more() {
		blob := r.string()
		if r.err == nil && size > 0 && len(blob) != size {
			r.fail("%s of %d bytes", what, len(blob))
		}
		found[string(blob)] = true
	}
}

// extension reads an extension, which is kept and not understood.
func (r *reader) extension() {
	name := r.cstring("extension")
	critical := r.byte()
	r.string()
	if r.err == nil && critical != 0 {
		r.fail("extension %.80q must be understood, and is not known", name)
	}
}
