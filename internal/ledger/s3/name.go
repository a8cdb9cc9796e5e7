package s3

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// maxObjectName is the longest name that S3 holds, in bytes.
	maxObjectName = 1024
	// maxPart bounds what stands between two slashes: servers that keep objects
	// as files hold 255 bytes, the suffix included.
	maxPart = 200
	// suffix ends the name of every entry. No part of a key can hold a dot, so an
	// entry is never the folder of another one.
	suffix = ".entry"
	// probeName is below the prefix and the name of no key.
	probeName = "~probe"
)

// objectName returns the name of the object of a key, below the prefix, and an
// error where there can be none.
func (p place) objectName(key string) (string, error) {
	if key == "" {
		return "", errors.New("s3: a key must not be empty")
	}
	name := p.prefix + escape(key) + suffix
	if len(name) > maxObjectName {
		return "", fmt.Errorf("s3: a key of %d bytes has a name of %d bytes, and %d is the most allowed", len(key), len(name), maxObjectName)
	}
	return name, nil
}

// escape writes a key so that every server holds it and tells it from all
// others, and so that the escaped start of a key is the start of the escaped
// key: that is how the keys with a prefix are listed.
//
// A slash stays one and makes a folder, as long as something stands before it.
// Letters, digits, "-" and "_" stay as they are; "%", in which a ledger's keys
// abound, is "=", and ":", which a file on Windows cannot have, is ",". Every
// other byte is "~" and two hexadecimal digits. A part that gets longer than
// maxPart is broken by "~/".
func escape(key string) string {
	var out strings.Builder
	part := 0
	for i := range len(key) {
		if key[i] == '/' && part > 0 {
			out.WriteByte('/')
			part = 0
			continue
		}
		token := escapeByte(key[i])
		if part+len(token) > maxPart {
			out.WriteString("~/")
			part = 0
		}
		out.WriteString(token)
		part += len(token)
	}
	return out.String()
}

func escapeByte(c byte) string {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		return string(rune(c))
	case c == '%':
		return "="
	case c == ':':
		return ","
	default:
		return fmt.Sprintf("~%02X", c)
	}
}

// unescape is the inverse of escape, and false for what escape never writes.
func unescape(escaped string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(escaped); i++ {
		switch c := escaped[i]; {
		case c == '=':
			out.WriteByte('%')
		case c == ',':
			out.WriteByte(':')
		case c == '~' && strings.HasPrefix(escaped[i+1:], "/"):
			i++
		case c == '~':
			if i+2 >= len(escaped) {
				return "", false
			}
			value, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			out.WriteByte(byte(value))
			i += 2
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), escape(out.String()) == escaped
}

// foreign ends the key that stands for an object that no ledger made. It is
// part of no key of a ledger, so whoever lists such a key takes it for what it
// is: something that was put there.
const foreign = "\x00(an object that no ledger made)"

// keyOf returns the key of an object below the prefix, whose name was listed
// for the keys that start with keyPrefix. What is no name of a key gets one that
// no ledger has; ok is false for what does not count.
func (p place) keyOf(name, keyPrefix string) (key string, ok bool) {
	below := strings.TrimPrefix(name, p.prefix)
	if below == probeName || below == "" { // the empty one is a folder that a console made
		return "", false
	}
	if escaped, found := strings.CutSuffix(below, suffix); found {
		if key, ok := unescape(escaped); ok && key != "" && strings.HasPrefix(key, keyPrefix) {
			return key, true
		}
	}
	return keyPrefix + strings.TrimPrefix(below, escape(keyPrefix)) + foreign, true
}
