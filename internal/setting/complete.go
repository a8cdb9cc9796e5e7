package setting

import (
	"fmt"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// FieldError is an error about one field. It is what lets a diagnostic point
// at the attribute.
type FieldError struct {
	Field string
	Err   error
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *FieldError) Unwrap() error { return e.Err }

// Complete checks values against fields, writes each in its canonical way and
// writes out the defaults, so that every field is there but late ones. Errors are
// *FieldError over nhi.ErrInvalid, all of them.
func Complete(fields []Field, values nhi.Values) (nhi.Values, []*FieldError) {
	complete, errs := nhi.Values{}, []*FieldError(nil)
	for _, field := range fields {
		value, set := values[field.Name]
		if !set {
			if field.Required {
				errs = append(errs, &FieldError{field.Name, fmt.Errorf("is required: %w", nhi.ErrInvalid)})
				continue
			}
			if !field.Late {
				complete[field.Name] = field.defaultValue()
			}
			continue
		}
		written, err := field.write(value)
		if err != nil {
			errs = append(errs, &FieldError{field.Name, err})
			continue
		}
		complete[field.Name] = written
	}
	return complete, errs
}

// Split parts the values of a system into plain and secret ones.
func Split(fields []Field, values nhi.Values) Settings {
	split := Settings{Values: nhi.Values{}, Secrets: map[string]nhi.Secret{}}
	for _, field := range fields {
		value, ok := values[field.Name]
		switch {
		case !ok:
		case field.Secret:
			split.Secrets[field.Name] = nhi.NewSecret(value.Text())
		default:
			split.Values[field.Name] = value
		}
	}
	return split
}

// IsSet says whether the field is a set of lines.
func (f Field) IsSet() bool { return f.Type == Strings || f.Type == Map }

func (f Field) defaultValue() nhi.Value {
	if !f.IsSet() {
		return nhi.Text(f.Default)
	}
	if f.Default == "" {
		return nhi.List()
	}
	return nhi.List(strings.Split(f.Default, ",")...)
}

// write checks a value and writes it in its canonical way.
func (f Field) write(value nhi.Value) (nhi.Value, error) {
	if !f.IsSet() {
		text, err := f.writeOne(value.Text())
		if err == nil && f.Required && text == "" {
			err = fmt.Errorf("must not be empty: %w", nhi.ErrInvalid)
		}
		return nhi.Text(text), err
	}
	items := value.Items()
	if f.Required && len(items) == 0 {
		return nhi.Value{}, fmt.Errorf("must not be empty: %w", nhi.ErrInvalid)
	}
	for i, item := range items {
		if item == "" {
			return nhi.Value{}, fmt.Errorf("holds an empty item: %w", nhi.ErrInvalid)
		}
		written, err := f.writeOne(item)
		if err != nil {
			return nhi.Value{}, err
		}
		items[i] = written
	}
	return nhi.List(items...), nil
}

func (f Field) writeOne(text string) (string, error) {
	if f.Canonical != nil {
		written, err := f.Canonical(text)
		if err != nil {
			return "", err
		}
		text = written
	}
	if err := nhi.CheckTextUpTo(text, nhi.MaxSetting); err != nil {
		if f.Secret { // the error may quote it
			err = fmt.Errorf("must be one line of at most %d characters that can be seen, without white space at its ends: %w", nhi.MaxSetting, nhi.ErrInvalid)
		}
		return "", err
	}
	if f.Check == nil || text == "" {
		return text, nil
	}
	return text, f.Check(text)
}
