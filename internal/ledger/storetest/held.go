package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// RunHeld shows that subjects do not wait for each other, without a clock: hold
// stops one writer in the middle of creating key, and meanwhile forty writers
// create, read and list under forty other subjects. A second writer of the same
// key may wait or not, and in the end one of the two has won. hold returns
// once the writer has been stopped; what it returns lets the writer go on, and
// tells whether it won (nil).
func RunHeld(t *testing.T, open Open, hold func(t *testing.T, key string) func() error) {
	t.Helper()
	const subjects = 40
	store := half(t, open)
	key := func(subject int) string { return fmt.Sprintf("grant/s%02d/00000001", subject) }
	release := hold(t, key(0))

	errs := together(subjects, func(i int) error {
		subject := i + 1
		if err := store(i).Create(t.Context(), key(subject), []byte("x")); err != nil {
			return fmt.Errorf("create %d: %w", subject, err)
		}
		if _, err := store(i+1).Get(t.Context(), key(subject)); err != nil {
			return fmt.Errorf("get %d: %w", subject, err)
		}
		_, err := store(i).List(t.Context(), fmt.Sprintf("grant/s%02d/", subject))
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Errorf("while a writer of another subject was held: %v", err)
	}
	if _, err := store(0).Get(t.Context(), key(0)); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("get of what is being created: %v, want ErrNotFound", err)
	}

	second := make(chan error, 1)
	go func() { second <- store(1).Create(t.Context(), key(0), []byte("second")) }()
	firstErr := release()
	secondErr := <-second
	if (firstErr == nil) == (secondErr == nil) {
		t.Errorf("two writers of one key: %v and %v, want one winner", firstErr, secondErr)
	}
	if secondErr != nil && !errors.Is(secondErr, ledger.ErrExists) {
		t.Errorf("the second writer: %v, want nil or ErrExists", secondErr)
	}
	if _, err := store(0).Get(t.Context(), key(0)); err != nil {
		t.Errorf("get of what was created: %v", err)
	}
}
