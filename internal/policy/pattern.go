package policy

import (
	"fmt"
	"path"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// anySegments stands, as a whole segment of a pattern, for any number of
// segments, none included.
const anySegments = "**"

// CheckScopePattern holds for a pattern of scopes: segments joined by single
// slashes, of the letters of a name and *, and ** only as a whole segment.
func CheckScopePattern(pattern string) error {
	if pattern == "" || len(pattern) > nhi.MaxScope {
		return fmt.Errorf("scope pattern must have 1 to %d bytes: %w", nhi.MaxScope, nhi.ErrInvalid)
	}
	for segment := range strings.SplitSeq(pattern, "/") {
		if segment == anySegments {
			continue
		}
		if strings.Contains(segment, anySegments) {
			return fmt.Errorf("scope pattern %q: ** must be a whole segment: %w", pattern, nhi.ErrInvalid)
		}
		// A star is as good as any letter for what CheckName looks at.
		if err := nhi.CheckName(strings.ReplaceAll(segment, "*", "a")); err != nil {
			return fmt.Errorf("scope pattern %q: a segment may hold only a-z, 0-9, inner - or _, and *: %w", pattern, nhi.ErrInvalid)
		}
	}
	return nil
}

// MatchScope says whether pattern matches scope: * matches any letters within
// one segment, ** any number of segments ("payments/**" matches "payments"
// too). A malformed pattern or scope never matches.
func MatchScope(pattern, scope string) bool {
	if CheckScopePattern(pattern) != nil || nhi.CheckScope(scope) != nil {
		return false
	}
	segments := strings.Split(scope, "/")
	// reached[i] says that the pattern so far matches the first i segments; a
	// table, so that many ** cost no more than one.
	reached := make([]bool, len(segments)+1)
	reached[0] = true
	for part := range strings.SplitSeq(pattern, "/") {
		reached = advance(reached, part, segments)
	}
	return reached[len(segments)]
}

func advance(reached []bool, part string, segments []string) []bool {
	next := make([]bool, len(reached))
	if part == anySegments {
		seen := false
		for i := range reached {
			seen = seen || reached[i]
			next[i] = seen
		}
		return next
	}
	for i, segment := range segments {
		matched, err := path.Match(part, segment)
		next[i+1] = reached[i] && matched && err == nil
	}
	return next
}
