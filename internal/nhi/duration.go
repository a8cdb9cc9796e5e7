package nhi

import (
	"fmt"
	"strings"
	"time"
)

// Bounds of a time to live: long enough to be used, short enough to be a date.
const (
	MinTTL = time.Second
	MaxTTL = 10 * 366 * 24 * time.Hour
)

// ParseTTL reads a Go duration of whole seconds between MinTTL and MaxTTL.
func ParseTTL(text string) (time.Duration, error) {
	ttl, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%.80q is not a duration such as \"720h\" or \"15m\": %w", text, ErrInvalid)
	}
	return ttl, CheckTTL(ttl)
}

// CheckTTL holds for whole seconds between MinTTL and MaxTTL.
func CheckTTL(ttl time.Duration) error {
	if ttl < MinTTL || ttl > MaxTTL || ttl%time.Second != 0 {
		return fmt.Errorf("%s must be whole seconds, from %s to %s: %w",
			ttl, FormatTTL(MinTTL), FormatTTL(MaxTTL), ErrInvalid)
	}
	return nil
}

// FormatTTL writes a duration of whole seconds in its one canonical way:
// hours, minutes and seconds, without the parts that are zero ("720h", "1h30m").
func FormatTTL(ttl time.Duration) string {
	text := ttl.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// FormatTime writes a time in its one canonical way: RFC 3339, UTC, whole seconds.
func FormatTime(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// ParseTime reads what FormatTime wrote; another way to write it is ErrNotCanonical.
func ParseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%.80q is not an RFC 3339 time: %w", text, ErrInvalid)
	}
	if FormatTime(t) != text {
		return time.Time{}, fmt.Errorf("time %.80q: %w", text, ErrNotCanonical)
	}
	return t.UTC(), nil
}

// checkTime holds for a time that FormatTime writes as ParseTime reads it: of
// a year with four digits.
func checkTime(t time.Time) error {
	if _, err := ParseTime(FormatTime(t)); err != nil {
		return fmt.Errorf("a time in the year %d cannot be written: %w", t.Year(), ErrInvalid)
	}
	return nil
}

// Earliest returns the earliest of the times that are set, or the zero time.
func Earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
