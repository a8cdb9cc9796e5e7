package vault

import (
	"encoding/hex"
	"strings"
)

// A key's parts between slashes are folders in Vault, so that a chain is read
// by listing one folder. In a part, a-z, 0-9 and - stand for themselves and any
// other byte is _ and two hexadecimal digits: no part can be a glob of a policy
// (* +), need an escape in a URL (% ? #), be . or .., or differ from another by
// case alone. An empty part is a single _.
const (
	escape = '_'
	plain  = "abcdefghijklmnopqrstuvwxyz0123456789-"
)

// written returns the path that stands for a key.
func written(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = writtenPart(part)
	}
	return strings.Join(parts, "/")
}

func writtenPart(part string) string {
	if part == "" {
		return string(escape)
	}
	var out strings.Builder
	for _, c := range []byte(part) {
		if strings.IndexByte(plain, c) >= 0 {
			out.WriteByte(c)
			continue
		}
		out.WriteByte(escape)
		out.WriteString(hex.EncodeToString([]byte{c}))
	}
	return out.String()
}

// readPart is the reverse of writtenPart. A name that no key of ours leads to
// is returned behind a byte that no key of ours has, so that whoever lists sees
// that something is there; it can not be got.
func readPart(name string) (part string, ours bool) {
	read := []byte{}
	for i := 0; i < len(name) && name != string(escape); i++ {
		if name[i] != escape {
			read = append(read, name[i])
			continue
		}
		c, err := hex.DecodeString(name[i+1 : min(i+3, len(name))])
		if err != nil {
			break
		}
		read = append(read, c...)
		i += 2
	}
	if writtenPart(string(read)) != name {
		return "\xff" + name, false
	}
	return string(read), true
}
