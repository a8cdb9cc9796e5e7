package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/source"
)

// Config is what an Engine is made of. Nothing in it is contacted before it
// is needed.
type Config struct {
	// OpenLedger opens the ledger. It is called again after a failure.
	OpenLedger func(context.Context) (*ledger.Ledger, error)
	// PolicyFile is the path of the signed policy, its signatures beside it
	// with ".sig"; empty where the ledger's own is enough.
	PolicyFile string
	// DecisionsDir is a folder of decision files; empty for none.
	DecisionsDir string
	// SpoolDir is where records wait while the ledger is away.
	SpoolDir string
	// MachineTime is this machine's clock, where the ledger has no other; nil
	// where it has. With that ledger away it still ends what has expired.
	MachineTime func() time.Time
	// Pins returns the trusted roots' digests.
	Pins func() ([]nhi.Digest, error)
	// Systems are the target systems.
	Systems *Systems
	// Clock is set right by the ledger's time, where it is not nil: it is for
	// the systems that have no clock of their own.
	Clock *Clock
	// Channels are the services on which people can say yes to what is being
	// applied.
	Channels []*channel.Open
	// Alive says whether whoever started this run is still there. It is asked
	// right before each entry and each effect; nil for always.
	Alive func() bool
	// Runner and Requester are where this run finds what proves where it runs,
	// and who asks; the zero Source for nothing. An SSH key of the requester's is
	// no Source.
	Runner, Requester source.Source
}

// Engine carries out the verbs of a grant's life over one ledger. It is safe
// for concurrent use.
type Engine struct {
	Config
	mu   sync.Mutex
	book *ledger.Ledger
	// trusted is what a walk of the root chain found, and trustedFor names that
	// chain's end and the pins: signatures are checked once.
	trusted    *Trust
	trustedFor string
	proofs     *proofs
}

// New returns an engine over config.
func New(config Config) *Engine { return &Engine{Config: config, proofs: newProofs()} }

// ErrNoTrustedLedger wraps every reason for which the ledger cannot be relied
// on, unreachable and untrusted alike.
var ErrNoTrustedLedger = errors.New("the ledger cannot be relied on")

// Book returns the open ledger. Failures are not remembered: the next call
// tries again.
func (e *Engine) Book() (*ledger.Ledger, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.book != nil {
		return e.book, nil
	}
	const deadline = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	book, err := e.OpenLedger(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoTrustedLedger, err)
	}
	if e.Clock != nil {
		if now, err := book.Now(ctx); err == nil {
			e.Clock.set(now)
		}
	}
	e.book = book
	return book, nil
}

// ErrAbandoned says that whoever started this run is gone: the next run decides
// what becomes of what this one has begun.
var ErrAbandoned = errors.New("whoever started this run is gone, so it does nothing more")

// mayAct holds while somebody waits for this run.
func (e *Engine) mayAct() error {
	if e.Alive != nil && !e.Alive() {
		return ErrAbandoned
	}
	return nil
}

// deathThroes is how long the end of whoever started a run may take to show:
// their connection, and with it the run's context, ends a moment before.
const deathThroes = 500 * time.Millisecond

// settle is mayAct for a run that was cancelled, and is about to undo what it
// did: by their wish, or because they are dying.
func (e *Engine) settle(ctx context.Context) error {
	if e.Alive == nil || ctx.Err() == nil {
		return e.mayAct()
	}
	end := time.NewTimer(deathThroes)
	defer end.Stop()
	look := time.NewTicker(deathThroes / 50)
	defer look.Stop()
	for {
		select {
		case <-end.C:
			return e.mayAct()
		case <-look.C:
			if err := e.mayAct(); err != nil {
				return err
			}
		}
	}
}

// SpoolDir is the folder in which records wait while the ledger is away: that
// of this user, on this machine, whatever writes them.
func SpoolDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "nhi", "spool")
}

// Time returns the ledger's time, or the zero time and an error when it cannot
// be known.
func (e *Engine) Time(ctx context.Context) (time.Time, error) {
	book, err := e.Book()
	if err != nil {
		return time.Time{}, err
	}
	return book.Now(ctx)
}

// Flush writes what was spooled while the ledger was away.
func (e *Engine) Flush(ctx context.Context) error {
	book, err := e.Book()
	if err != nil {
		return err
	}
	_, err = ledger.NewSpool(e.SpoolDir, book.ID()).Flush(ctx, book)
	return err
}

// Waiting returns how many records wait in the spool for the ledger.
func (e *Engine) Waiting() (int, error) {
	book, err := e.Book()
	if err != nil {
		return 0, err
	}
	return ledger.NewSpool(e.SpoolDir, book.ID()).Pending()
}

// Close releases the ledger and the systems.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	errs := []error{e.Systems.Close()}
	if e.book != nil {
		errs = append(errs, e.book.Close())
		e.book = nil
	}
	return errors.Join(errs...)
}
