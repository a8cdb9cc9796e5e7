package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// The chains that every ledger has one of.
const (
	RootChain   = "root"
	PolicyChain = "policy"
)

// The kinds of chain of which there is one for each subject; a chain's name is
// KIND/ID with the id escaped.
const (
	KindIdentity = "identity"
	KindApproval = "approval"
	KindGrant    = "grant"
)

// MaxSeq is the most entries that a chain can hold.
const MaxSeq = 99_999_999

// seqDigits is the fixed width of SEQ in a key, so that keys sort in order.
const seqDigits = 8

// Chain is what one chain held when it was read, from its first entry on.
type Chain struct {
	Name    string
	Entries []Entry
	// fault is why the chain goes on in the store in a way that was refused:
	// appending to what is left of it would hide that.
	fault error
}

// Head returns the number and the hash of the last entry; the zero Head when
// there is none.
func (c Chain) Head() nhi.Head {
	if len(c.Entries) == 0 {
		return nhi.Head{}
	}
	last := c.Entries[len(c.Entries)-1]
	return nhi.Head{Seq: last.Seq, Hash: last.Hash()}
}

// HashAt returns the hash of entry number seq, and false where the chain has
// no such entry. Comparing it with a Head that somebody saw shows whether the
// chain is still the one that they saw.
func (c Chain) HashAt(seq uint64) (nhi.Digest, bool) {
	if seq == 0 || seq > uint64(len(c.Entries)) {
		return "", false
	}
	return c.Entries[seq-1].Hash(), true
}

// IdentityChain returns the name of an identity's chain.
func IdentityChain(id nhi.IdentityID) string { return KindIdentity + "/" + escape(string(id)) }

// ApprovalChain returns the name of an approval's chain.
func ApprovalChain(id nhi.ApprovalID) string { return KindApproval + "/" + escape(string(id)) }

// GrantChain returns the name of a grant's chain. A grant has the id of its
// approval.
func GrantChain(id nhi.ApprovalID) string { return KindGrant + "/" + escape(string(id)) }

// Subject returns the kind and the id that a chain is about; the id is empty
// for the chains of which there is one. nhi.ErrInvalid for anything that is
// not the one way to write the name of a chain. The id is not checked to be
// one that people could have chosen.
func Subject(chain string) (kind, id string, err error) {
	if chain == RootChain || chain == PolicyChain {
		return chain, "", nil
	}
	kind, escaped, _ := strings.Cut(chain, "/")
	if kind != KindIdentity && kind != KindApproval && kind != KindGrant {
		return "", "", fmt.Errorf("%.200q is no chain of a ledger: %w", chain, nhi.ErrInvalid)
	}
	id, ok := unescape(escaped)
	if !ok || id == "" {
		return "", "", fmt.Errorf("%.200q is no chain of a ledger: %w", chain, nhi.ErrInvalid)
	}
	return kind, id, nil
}

// escape writes an id so that it is one segment of a path everywhere: a-z, 0-9,
// "-", "_" and ":" stand for themselves, and every other byte is written as %
// and two upper-case hexadecimal digits. So "/" is %2F.
func escape(id string) string {
	var out strings.Builder
	for i := range len(id) {
		if c := id[i]; plain(c) {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == ':'
}

// unescape is the inverse of escape, and false for what escape never writes.
func unescape(escaped string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' {
			out.WriteByte(escaped[i])
			continue
		}
		if i+2 >= len(escaped) {
			return "", false
		}
		c, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		out.WriteByte(byte(c))
		i += 2
	}
	return out.String(), escape(out.String()) == escaped
}

// entryKey returns the key of an entry: CHAIN/SEQ, the number with eight digits.
func entryKey(chain string, seq uint64) string {
	return fmt.Sprintf("%s/%0*d", chain, seqDigits, seq)
}

// parseKey is the inverse of entryKey, and false for what it never writes.
func parseKey(key string) (chain string, seq uint64, ok bool) {
	slash := strings.LastIndexByte(key, '/')
	if slash < 0 {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(key[slash+1:], 10, 63)
	if err != nil || seq == 0 || entryKey(key[:slash], seq) != key || seq > MaxSeq {
		return "", 0, false
	}
	if _, _, err := Subject(key[:slash]); err != nil {
		return "", 0, false
	}
	return key[:slash], seq, true
}
