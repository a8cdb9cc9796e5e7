package ledger

import (
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ConfirmationBody records, in the chain of an approval and before the intent that
// rests on it, that a person confirmed the run that activated a request. It is the
// runner's testimony, and says where to look. It counts for nothing by itself: a
// confirmation is a yes only in the run that it is of.
type ConfirmationBody struct {
	Request nhi.Digest `json:"request"`
	Channel string     `json:"channel"` // the kind: hcp_terraform
	Person  string     `json:"person"`  // who that is by the policy
	Account Account    `json:"account"`
	Run     string     `json:"run"`
	URL     string     `json:"url"`
	At      time.Time  `json:"at"` // when it was confirmed
	// Others are the accounts that had another part in the run, and Unproven says
	// why not everybody who asked is known.
	Others        []Involved `json:"others"`
	Unproven      string     `json:"unproven"`
	PolicyVersion int        `json:"policy_version"`
	PolicyDigest  nhi.Digest `json:"policy_digest"`
}

// Account is somebody on a service.
type Account struct {
	Host string `json:"host"`
	ID   string `json:"id"`
	Name string `json:"name"` // as it was; it can change hands
}

// Involved is an account and its part in a run.
type Involved struct {
	Account Account `json:"account"`
	Role    string  `json:"role"` // "created the run"
	Sole    bool    `json:"sole"` // nothing else told who that is
}

// Type implements Body.
func (ConfirmationBody) Type() string { return "confirmation@1" }

func normalConfirmation(b ConfirmationBody) ConfirmationBody {
	b.At = b.At.UTC()
	b.Person, b.Unproven = words(b.Person), words(b.Unproven)
	b.Run, b.URL, b.Account = words(b.Run), words(b.URL), normalAccount(b.Account)
	others := make([]Involved, len(b.Others))
	for i, other := range b.Others {
		others[i] = Involved{Account: normalAccount(other.Account), Role: words(other.Role), Sole: other.Sole}
	}
	b.Others = others
	return b
}

func normalAccount(a Account) Account {
	return Account{Host: words(a.Host), ID: words(a.ID), Name: words(a.Name)}
}
