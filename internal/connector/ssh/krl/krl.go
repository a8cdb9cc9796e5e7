// Package krl reads OpenSSH key revocation lists and adds serials to them.
//
// The format is that of PROTOCOL.krl in OpenSSH, and what is accepted is what
// sshd accepts: a list that sshd cannot read makes it refuse everybody, so it
// is an error here too and never an empty list. Everything that was in a list
// stays in it, byte for byte; serials are only added.
package krl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// MaxSize bounds a list, in bytes: about two million serials.
const MaxSize = 16 << 20

// Errors of Parse. Both come with nhi.ErrInvalid.
var (
	// ErrSigned says that the list carries a signature, which any change of
	// ours would void.
	ErrSigned = errors.New("the revocation list is signed, and a change would void the signature")
	// ErrNotKRL says that the bytes are no list in the binary format.
	ErrNotKRL = errors.New("not an OpenSSH key revocation list in the binary format (ssh-keygen -k makes one)")
)

// The header, PROTOCOL.krl section 1.
const (
	magic         = "SSHKRL\n\x00"
	formatVersion = 1
)

// Sections and their parts, PROTOCOL.krl sections 1, 2 and 5.
const (
	sectionCertificates = 1
	sectionExplicitKey  = 2
	sectionSHA1         = 3
	sectionSignature    = 4
	sectionSHA256       = 5
	sectionExtension    = 255

	certSerialList   = 0x20
	certSerialRange  = 0x21
	certSerialBitmap = 0x22
	certKeyID        = 0x23
	certExtension    = 0x39
)

// List is a key revocation list. It is not safe for concurrent use while
// Revoke is called.
type List struct {
	version  uint64
	date     uint64
	flags    uint64
	reserved []byte
	comment  []byte
	sections []section
	revoked  index
}

// section is one section as it stands in the file.
type section struct {
	kind byte
	data []byte
	// ca and lastPart say, of certificate sections, whose they are, and where
	// in data the last part (its type byte) starts; -1 where there is none.
	ca       string
	lastPart int
}

// New returns a list that revokes nothing, version 0.
func New() *List { return &List{revoked: newIndex()} }

// Version returns the number that grows with each change.
func (l *List) Version() uint64 { return l.version }

// Revoke adds a serial of a CA, unless the list revokes it already, and says
// whether it did. Serial 0 means "no serial" to OpenSSH and is nhi.ErrInvalid.
func (l *List) Revoke(ca ssh.PublicKey, serial uint64) (bool, error) {
	if serial == 0 {
		return false, fmt.Errorf("serial 0 cannot be revoked: %w", nhi.ErrInvalid)
	}
	if l.RevokesSerial(ca, serial) {
		return false, nil
	}
	blob := string(ca.Marshal())
	l.section(blob).add(serial)
	l.revoked.authority(blob).serials[serial] = true
	return true, nil
}

// section returns the last section of certificates of a CA, or a new one.
func (l *List) section(ca string) *section {
	for i := len(l.sections) - 1; i >= 0; i-- {
		if s := &l.sections[i]; s.kind == sectionCertificates && s.ca == ca {
			return s
		}
	}
	data := appendString(nil, ca)
	data = appendString(data, "") // reserved
	l.sections = append(l.sections, section{kind: sectionCertificates, data: data, ca: ca, lastPart: -1})
	return &l.sections[len(l.sections)-1]
}

// add appends a serial to the list of serials at the end of the section, or a
// new list of one.
func (s *section) add(serial uint64) {
	if s.lastPart < 0 || s.data[s.lastPart] != certSerialList {
		s.lastPart = len(s.data)
		s.data = append(s.data, certSerialList, 0, 0, 0, 0)
	}
	length := s.data[s.lastPart+1 : s.lastPart+5]
	binary.BigEndian.PutUint32(length, binary.BigEndian.Uint32(length)+8)
	s.data = binary.BigEndian.AppendUint64(s.data, serial)
}

// Next counts the version up and sets the date of the list: what a changed
// list needs before it is written.
func (l *List) Next(now time.Time) {
	l.version++
	l.date = uint64(max(0, now.Unix()))
}

// Marshal returns the bytes of the list. Those of a list that was parsed and
// not changed are what was parsed.
func (l *List) Marshal() []byte {
	data := []byte(magic)
	data = binary.BigEndian.AppendUint32(data, formatVersion)
	data = binary.BigEndian.AppendUint64(data, l.version)
	data = binary.BigEndian.AppendUint64(data, l.date)
	data = binary.BigEndian.AppendUint64(data, l.flags)
	data = appendString(data, string(l.reserved))
	data = appendString(data, string(l.comment))
	for _, s := range l.sections {
		data = append(data, s.kind)
		data = appendString(data, string(s.data))
	}
	return data
}

// appendString appends a string as RFC 4251 section 5 writes it.
func appendString(data []byte, text string) []byte {
	data = binary.BigEndian.AppendUint32(data, uint32(len(text))) //nolint:gosec // at most MaxSize
	return append(data, text...)
}
