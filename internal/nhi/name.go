package nhi

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Longest forms of what people type, in bytes for names and runes for texts.
const (
	MaxName  = 40
	MaxScope = 120
	MaxText  = 400
)

// CheckName holds for one segment of an identifier: an environment, the name
// of an identity, an approval, a system or a target. Lower-case letters,
// digits and inner single dashes or underscores, starting with a letter or
// digit, 1 to MaxName bytes. The error is ErrInvalid and says what is wrong.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("must not be empty: %w", ErrInvalid)
	}
	if len(name) > MaxName {
		return fmt.Errorf("is %d bytes long, and %d is the longest allowed: %w", len(name), MaxName, ErrInvalid)
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		inner := (c == '-' || c == '_') && i > 0 && i < len(name)-1 && name[i-1] != '-' && name[i-1] != '_'
		if !letter && !inner {
			return fmt.Errorf("%q may hold only a-z, 0-9 and inner single - or _: %w", name, ErrInvalid)
		}
	}
	return nil
}

// CheckScope holds for a scope: names joined by single slashes, at most
// MaxScope bytes.
func CheckScope(scope string) error {
	if len(scope) > MaxScope {
		return fmt.Errorf("is %d bytes long, and %d is the longest allowed: %w", len(scope), MaxScope, ErrInvalid)
	}
	for part := range strings.SplitSeq(scope, "/") {
		if err := CheckName(part); err != nil {
			return fmt.Errorf("part %q: %w", part, err)
		}
	}
	return nil
}

// CheckText holds for one line of free text that a person will read before
// signing: 1 to MaxText runes of valid UTF-8, no leading or trailing space,
// and nothing that hides or forges what is shown: no control or format
// characters (bidirectional marks, zero-width joiners), no line separators,
// no private or unassigned code points.
func CheckText(text string) error {
	if text == "" {
		return fmt.Errorf("must not be empty: %w", ErrInvalid)
	}
	return CheckOptionalText(text)
}

// CheckOptionalText is CheckText, except that the text may be empty.
func CheckOptionalText(text string) error {
	return CheckTextUpTo(text, MaxText)
}

// CheckTextUpTo is CheckOptionalText with another limit in runes, for values
// that machines made, such as public keys.
func CheckTextUpTo(text string, limit int) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("is not valid UTF-8: %w", ErrInvalid)
	}
	if n := utf8.RuneCountInString(text); n > limit {
		return fmt.Errorf("is %d characters long, and %d is the longest allowed: %w", n, limit, ErrInvalid)
	}
	if strings.TrimSpace(text) != text {
		return fmt.Errorf("%.80q must not start or end with white space: %w", text, ErrInvalid)
	}
	if first, _ := utf8.DecodeRuneInString(text); unicode.IsMark(first) {
		return fmt.Errorf("starts with %U, which would change the character before it: %w", first, ErrInvalid)
	}
	for _, r := range text {
		if r != ' ' && !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) && r != ' ' {
			return fmt.Errorf("holds the character %U, which can hide or forge text: %w", r, ErrInvalid)
		}
		if unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || slices.Contains(blanks, r) {
			return fmt.Errorf("holds the character %U, which cannot be seen: %w", r, ErrInvalid)
		}
	}
	return nil
}

// blanks are graphic characters that leave nothing on the screen, beyond those
// that Unicode calls ignorable: the empty Braille pattern and the null notehead.
var blanks = []rune{'\u2800', '\U0001d159'}

// IdentityID is ENVIRONMENT/SCOPE/NAME, the name of an identity in a ledger.
type IdentityID string

// NewIdentityID joins the checked parts.
func NewIdentityID(environment, scope, name string) (IdentityID, error) {
	if err := CheckName(environment); err != nil {
		return "", fmt.Errorf("environment: %w", err)
	}
	if err := CheckScope(scope); err != nil {
		return "", fmt.Errorf("scope: %w", err)
	}
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("name: %w", err)
	}
	return IdentityID(environment + "/" + scope + "/" + name), nil
}

// ParseIdentityID checks text as an identity id.
func ParseIdentityID(text string) (IdentityID, error) {
	first, last := strings.Index(text, "/"), strings.LastIndex(text, "/")
	if first < 0 || first == last {
		return "", fmt.Errorf("identity %.200q is not ENVIRONMENT/SCOPE/NAME: %w", text, ErrInvalid)
	}
	id, err := NewIdentityID(text[:first], text[first+1:last], text[last+1:])
	if err != nil {
		return "", fmt.Errorf("identity %.200q: %w", text, err)
	}
	return id, nil
}

// Environment returns the first segment.
func (id IdentityID) Environment() string {
	environment, _, _ := strings.Cut(string(id), "/")
	return environment
}

// Scope returns what stands between environment and name.
func (id IdentityID) Scope() string {
	first, last := strings.Index(string(id), "/"), strings.LastIndex(string(id), "/")
	if first < 0 || first >= last {
		return ""
	}
	return string(id[first+1 : last])
}

// Name returns the last segment.
func (id IdentityID) Name() string { return string(id[strings.LastIndex(string(id), "/")+1:]) }

// ApprovalID is IDENTITY:NAME. A grant has the id of its approval.
type ApprovalID string

// NewApprovalID joins an identity's id and the approval's checked name.
func NewApprovalID(identity IdentityID, name string) (ApprovalID, error) {
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("approval name: %w", err)
	}
	return ApprovalID(string(identity) + ":" + name), nil
}

// ParseApprovalID checks text as an approval id.
func ParseApprovalID(text string) (ApprovalID, error) {
	identity, name, ok := strings.Cut(text, ":")
	if !ok {
		return "", fmt.Errorf("approval %.200q is not IDENTITY:NAME: %w", text, ErrInvalid)
	}
	parsed, err := ParseIdentityID(identity)
	if err != nil {
		return "", fmt.Errorf("approval %.200q: %w", text, err)
	}
	return NewApprovalID(parsed, name)
}

// Identity returns the id of the identity that the approval is for.
func (id ApprovalID) Identity() IdentityID {
	identity, _, _ := strings.Cut(string(id), ":")
	return IdentityID(identity)
}

// Name returns the approval's own name.
func (id ApprovalID) Name() string {
	_, name, _ := strings.Cut(string(id), ":")
	return name
}
