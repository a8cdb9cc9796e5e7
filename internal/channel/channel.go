// Package channel is the contract of the ways in which a person's yes reaches an
// apply other than as a signed decision: a service that people say yes on, such as
// HCP Terraform, where they confirm a run. A channel is one folder and one line in
// builtin. It says whose account said yes to the very thing that is being
// applied, and to nothing else; whether that counts is the policy's to say. It
// knows no Terraform, no policy and no ledger.
package channel

import (
	"context"
	"errors"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// ErrNobody wraps every reason for which there is no yes: nobody gave one, it is
// for something else, or who gave it cannot be told. What is not known is no yes,
// so this is the one error that callers match.
var ErrNobody = errors.New("nobody's yes")

// Kind is one kind of channel, as data and one door.
type Kind struct {
	Name        string // the name of its block: "hcp_terraform"
	Description string
	Settings    []setting.Field
	// Host returns the service on which its accounts are, as policy writes it. It
	// is a pure function of the settings. Errors are nhi.ErrInvalid.
	Host func(setting.Settings) (string, error)
	// Open returns the channel. It contacts nothing.
	Open func(setting.Settings, Options) (Channel, error)
}

// Options are how a channel is opened.
type Options struct {
	// Getenv reads the environment of this process.
	Getenv func(string) string
	// learn tells the guard of a secret.
	learn func(nhi.Secret)
}

// Secret reads a secret of the environment: what Getenv reads may stand in errors,
// and this is taken out of them.
func (o Options) Secret(name string) nhi.Secret {
	secret := nhi.NewSecret(o.Getenv(name))
	o.learn(secret)
	return secret
}

// Channel is one service, ready to be asked.
type Channel interface {
	// Ask returns the yes to a request that is being put in force by this very
	// process. It honours its context. Every error says that there is none, and
	// wraps ErrNobody; it holds no secret.
	Ask(context.Context, Question) (Yes, error)
}

// Question is what is being applied.
type Question struct {
	Request nhi.Digest
	Now     time.Time // the time, as the ledger tells it
}

// Account is somebody on a service.
type Account struct {
	ID   string // never given to anybody else there
	Name string // for people; it can change hands
	Host string // empty where it is the channel's own
}

// Other is an account that has a part in what was said yes to.
type Other struct {
	Account Account
	Role    string // "created the run", "pushed the commit"
	// Sole says that nothing else tells who this is: where policy does not know
	// the account, it is not known who asked.
	Sole bool
}

// Yes is what a person said, once, to what is being applied now.
type Yes struct {
	Account Account // of a person
	// Others are who else has a part in it: they asked.
	Others []Other
	// Unproven says why it is not known who all asked; empty where it is.
	Unproven string
	Run      string    // the id of what was said yes to
	URL      string    // where people can see it
	At       time.Time // when
}
