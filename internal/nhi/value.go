package nhi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Value is one setting of an access: a line of text, or a sorted set of them.
// Booleans are written true or false, durations as FormatTTL writes them, maps
// as a set of key=value.
type Value struct {
	text  string
	items []string
	list  bool
}

// Text returns a value of one line.
func Text(text string) Value { return Value{text: text} }

// List returns a set: sorted, each item once.
func List(items ...string) Value {
	sorted := slices.Sorted(slices.Values(items))
	return Value{items: slices.Compact(sorted), list: true}
}

// IsList says whether the value is a set.
func (v Value) IsList() bool { return v.list }

// Text returns the line of a value that is no set.
func (v Value) Text() string { return v.text }

// Items returns the sorted items of a set, as a copy.
func (v Value) Items() []string { return slices.Clone(v.items) }

// Equal says whether both values are written alike.
func (v Value) Equal(other Value) bool {
	return v.list == other.list && v.text == other.text && slices.Equal(v.items, other.items)
}

// MarshalJSON writes a set as an array and a line as a string.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.list {
		if v.items == nil {
			return []byte("[]"), nil
		}
		return json.Marshal(v.items)
	}
	return json.Marshal(v.text)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(data []byte) error {
	var items []string
	if err := json.Unmarshal(data, &items); err == nil && items != nil {
		*v = List(items...)
		return nil
	}
	var text *string
	if err := json.Unmarshal(data, &text); err != nil || text == nil {
		return fmt.Errorf("a value is a string or a list of strings: %w", ErrInvalid)
	}
	*v = Text(*text)
	return nil
}

// Values are settings by name.
type Values map[string]Value

// Names returns the names of the settings, sorted.
func (v Values) Names() []string { return slices.Sorted(maps.Keys(v)) }

// Text returns the line called name, or "".
func (v Values) Text(name string) string { return v[name].Text() }

// Items returns the set called name, or nil.
func (v Values) Items(name string) []string { return v[name].Items() }

// Equal says whether both hold the same settings.
func (v Values) Equal(other Values) bool {
	return maps.EqualFunc(v, other, Value.Equal)
}
