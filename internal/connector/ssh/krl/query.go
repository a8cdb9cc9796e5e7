package krl

import (
	"crypto/sha1" //nolint:gosec // PROTOCOL.krl has sections of SHA-1 fingerprints
	"crypto/sha256"
	"slices"

	"golang.org/x/crypto/ssh"
)

// index is what a list revokes, to be looked up.
type index struct {
	authorities        map[string]*authority // by the CA's blob; "" is every CA
	keys, sha1, sha256 map[string]bool
}

// authority is what is revoked of one CA's certificates.
type authority struct {
	serials map[uint64]bool
	ranges  []serialRange
	bitmaps []serialBitmap
	keyIDs  map[string]bool
}

type serialRange struct{ first, last uint64 }

type serialBitmap struct {
	offset uint64
	bits   []byte // big-endian, without leading zeros
}

func newIndex() index {
	return index{authorities: map[string]*authority{}, keys: map[string]bool{}, sha1: map[string]bool{}, sha256: map[string]bool{}}
}

// authority returns the entry of a CA, which is made where it is missing.
func (i index) authority(ca string) *authority {
	found, ok := i.authorities[ca]
	if !ok {
		found = &authority{serials: map[uint64]bool{}, keyIDs: map[string]bool{}}
		i.authorities[ca] = found
	}
	return found
}

// RevokesSerial says whether certificates of that CA with that serial are
// revoked by serial.
func (l *List) RevokesSerial(ca ssh.PublicKey, serial uint64) bool {
	for _, blob := range []string{string(ca.Marshal()), ""} {
		if found, ok := l.revoked.authorities[blob]; ok && found.holds(serial) {
			return true
		}
	}
	return false
}

// Revokes says whether sshd, given this list, refuses the certificate: by its
// serial, its key id, its key, the key of its CA, or one of their fingerprints
// (ssh_krl_check_key in krl.c).
func (l *List) Revokes(certificate *ssh.Certificate) bool {
	for _, blob := range []string{string(certificate.SignatureKey.Marshal()), ""} {
		found, ok := l.revoked.authorities[blob]
		if ok && (found.keyIDs[certificate.KeyId] || certificate.Serial != 0 && found.holds(certificate.Serial)) {
			return true
		}
	}
	return l.revokesKey(certificate.Key) || l.revokesKey(certificate.SignatureKey)
}

func (l *List) revokesKey(key ssh.PublicKey) bool {
	blob := key.Marshal()
	short := sha1.Sum(blob) //nolint:gosec // see above
	long := sha256.Sum256(blob)
	return l.revoked.keys[string(blob)] || l.revoked.sha1[string(short[:])] || l.revoked.sha256[string(long[:])]
}

func (a *authority) holds(serial uint64) bool {
	return a.serials[serial] ||
		slices.ContainsFunc(a.ranges, func(r serialRange) bool { return r.first <= serial && serial <= r.last }) ||
		slices.ContainsFunc(a.bitmaps, func(b serialBitmap) bool { return b.holds(serial) })
}

func (b serialBitmap) holds(serial uint64) bool {
	if serial < b.offset {
		return false
	}
	bit := serial - b.offset
	if bit/8 >= uint64(len(b.bits)) {
		return false
	}
	return b.bits[uint64(len(b.bits))-1-bit/8]&(1<<(bit%8)) != 0
}
