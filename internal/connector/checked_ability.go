package connector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxSightings bounds one survey.
const maxSightings = 100_000

// AdopterOf returns the connector as an Adopter, where it is one. What a
// guarded connector can do is guarded too.
func AdopterOf(c Connector) (Adopter, bool) {
	guard, ok := guardOf(c)
	if !ok {
		adopter, can := c.(Adopter)
		return adopter, can
	}
	adopter, can := guard.inner.(Adopter)
	return &checkedAdopter{guard, adopter}, can
}

// SurveyorOf returns the connector as a Surveyor, where it is one.
func SurveyorOf(c Connector) (Surveyor, bool) {
	guard, ok := guardOf(c)
	if !ok {
		surveyor, can := c.(Surveyor)
		return surveyor, can
	}
	surveyor, can := guard.inner.(Surveyor)
	return &checkedSurveyor{guard, surveyor}, can
}

// TimekeeperOf returns the connector as a Timekeeper, where it is one.
func TimekeeperOf(c Connector) (Timekeeper, bool) {
	guard, ok := guardOf(c)
	if !ok {
		keeper, can := c.(Timekeeper)
		return keeper, can
	}
	keeper, can := guard.inner.(Timekeeper)
	return &checkedTimekeeper{guard, keeper}, can
}

// DirectoryOf returns the connector as a Directory, where it is one.
func DirectoryOf(c Connector) (Directory, bool) {
	guard, ok := guardOf(c)
	if !ok {
		directory, can := c.(Directory)
		return directory, can
	}
	directory, can := guard.inner.(Directory)
	return &checkedDirectory{guard, directory}, can
}

func guardOf(c Connector) (*checked, bool) {
	switch guarded := c.(type) {
	case *checked:
		return guarded, true
	case *checkedIssuer:
		return guarded.checked, true
	default:
		return nil, false
	}
}

type checkedAdopter struct {
	*checked
	adopter Adopter
}

// Appraise guards Adopter.Appraise.
func (c *checkedAdopter) Appraise(ctx context.Context, name string) (Sighting, error) {
	if err := nhi.CheckText(name); err != nil {
		return Sighting{}, c.guard(err)
	}
	seen, err := within(ctx, c.checked, 1, func(ctx context.Context) (Sighting, error) { return c.adopter.Appraise(ctx, name) })
	if err == nil && seen.Principal != name {
		err = fmt.Errorf("answered about another object (%.80q, and %s was asked for): %w", seen.Principal, name, nhi.ErrUnreachable)
	}
	if err == nil && seen.ID == "" {
		err = fmt.Errorf("%s has no id: %w", name, nhi.ErrUnreachable)
	}
	if err != nil {
		return Sighting{}, c.guard(err)
	}
	return c.bounded(seen), nil
}

// Release guards Adopter.Release.
func (c *checkedAdopter) Release(ctx context.Context, accounts []Account) []Outcome {
	return c.effect(ctx, releasing, accounts, c.adopter.Release)
}

// bounded makes a sighting fit for people and records: it comes from outside.
func (c *checked) bounded(seen Sighting) Sighting {
	seen.Privileges = c.lines(seen.Privileges)
	seen.Owner = strings.TrimSpace(printable(c.secrets.strip(seen.Owner), nhi.MaxText))
	seen.ID = printable(seen.ID, nhi.MaxText)
	return seen
}

type checkedSurveyor struct {
	*checked
	surveyor Surveyor
}

// Survey guards Surveyor.Survey.
func (c *checkedSurveyor) Survey(ctx context.Context) ([]Sighting, error) {
	found, err := within(ctx, c.checked, 1, c.surveyor.Survey)
	if err == nil && len(found) > maxSightings {
		err = fmt.Errorf("listed %d accounts, and %d is the most allowed: %w", len(found), maxSightings, nhi.ErrUnreachable)
	}
	if err != nil {
		return nil, c.guard(err)
	}
	found = slices.Clone(found)
	for i := range found {
		found[i] = c.bounded(found[i])
		found[i].Principal = printable(found[i].Principal, nhi.MaxText)
	}
	return found, nil
}

type checkedDirectory struct {
	*checked
	directory Directory
}

// Knows guards Directory.Knows.
func (c *checkedDirectory) Knows(ctx context.Context, person string) (bool, error) {
	if err := nhi.CheckText(person); err != nil {
		return false, c.guard(err)
	}
	known, err := within(ctx, c.checked, 1, func(ctx context.Context) (bool, error) { return c.directory.Knows(ctx, person) })
	return known && err == nil, c.guard(err)
}

type checkedTimekeeper struct {
	*checked
	keeper Timekeeper
}

// Time guards Timekeeper.Time.
func (c *checkedTimekeeper) Time(ctx context.Context) (time.Time, error) {
	now, err := within(ctx, c.checked, 1, c.keeper.Time)
	if err == nil && now.Unix() <= 0 {
		err = fmt.Errorf("told no time: %w", nhi.ErrUnreachable)
	}
	if err != nil {
		return time.Time{}, c.guard(err)
	}
	return now.UTC(), nil
}
