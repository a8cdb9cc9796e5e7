package hcp

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	tfe "github.com/hashicorp/go-tfe"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Identity is what a run's workload identity token says, once it is verified.
type Identity struct {
	Run, Phase, Workspace       string // ids, and plan or apply
	Organization, WorkspaceName string
}

// Account is a user of the service, as far as it is told.
type Account struct {
	ID      string
	Name    string
	Service *bool // a service account; nil where that is not told
}

// person says whether it is told to be one.
func (a Account) person() bool { return a.ID != "" && a.Name != "" && a.Service != nil && !*a.Service }

// Event is something that somebody did with a run.
type Event struct {
	Action string
	At     time.Time
	Actor  Account // its ID is empty where nobody did it
}

// Commit is where a configuration came from.
type Commit struct {
	Host   string // of the repository: github.com
	Sender string // the account there that pushed it
	By     Account
}

// Run is all that is known of the run that applies now.
type Run struct {
	Identity    Identity // by its token
	ID          string   // by the API, as all below
	Workspace   string
	Status      tfe.RunStatus
	AutoApply   *bool // nil where it is not told
	PlanOnly    bool
	PlannedAt   time.Time // when its plan, and what checks it, was complete
	ConfirmedAt time.Time
	CreatedBy   Account
	ConfirmedBy Account
	Events      []Event
	Source      tfe.ConfigurationSource
	Commit      *Commit             // nil where no commit is known
	Requests    map[nhi.Digest]bool // what its plan asks for or grants
}

// Confirmation says whose yes to a request the confirmation of the run is, or
// why it is nobody's. It is pure: it looks at nothing but the run.
func (r Run) Confirmation(host string, request nhi.Digest) (channel.Yes, error) {
	for _, check := range []func() error{r.isThis, r.wasPaused, r.byAPerson, r.inOrder} {
		if err := check(); err != nil {
			return channel.Yes{}, err
		}
	}
	if !r.Requests[request] {
		return channel.Yes{}, fmt.Errorf("run %s was confirmed, and its plan does not ask for this request, %s", r.ID, request.Short())
	}
	for _, id := range []string{r.CreatedBy.ID, r.by()} {
		if id == r.ConfirmedBy.ID {
			return channel.Yes{}, fmt.Errorf("run %s was confirmed by %s, who asked for it: nobody's yes counts for what they ask for", r.ID, r.name())
		}
	}
	yes := channel.Yes{
		Account: channel.Account{ID: r.ConfirmedBy.ID, Name: r.name()},
		Run:     r.ID, At: r.ConfirmedAt, URL: r.url(host), Unproven: r.unproven(),
	}
	if r.CreatedBy.ID != "" {
		creator := other(r.CreatedBy, "created the run")
		creator.Sole = r.Commit == nil // of an upload, nothing else tells who asked
		yes.Others = append(yes.Others, creator)
	}
	if r.Commit != nil && r.Commit.By.ID != "" {
		yes.Others = append(yes.Others, other(r.Commit.By, "pushed the commit"))
	}
	if r.Commit != nil && r.Commit.Sender != "" && r.Commit.Host != "" {
		pusher := channel.Account{ID: r.Commit.Sender, Name: r.Commit.Sender, Host: r.Commit.Host}
		yes.Others = append(yes.Others, channel.Other{Account: pusher, Role: "pushed the commit", Sole: true})
	}
	return yes, nil
}

func other(a Account, role string) channel.Other {
	named := channel.Account{ID: a.ID, Name: a.Name}
	if named.Name == "" {
		named.Name = a.ID
	}
	return channel.Other{Account: named, Role: role}
}

// isThis holds where the token and the API speak of one run, which applies now.
func (r Run) isThis() error {
	switch {
	case r.Identity.Phase != "apply":
		return fmt.Errorf("this is the phase %q of run %s, and a run is confirmed before its apply", r.Identity.Phase, r.Identity.Run)
	case r.ID == "" || r.ID != r.Identity.Run || r.Workspace == "" || r.Workspace != r.Identity.Workspace:
		return fmt.Errorf("the API tells of run %.80q in workspace %.80q, and the run's token of run %.80q in workspace %.80q",
			r.ID, r.Workspace, r.Identity.Run, r.Identity.Workspace)
	case r.Status != tfe.RunApplying || r.PlanOnly:
		return fmt.Errorf("run %s is %.40q, and not being applied", r.ID, r.Status)
	}
	return nil
}

// wasPaused holds where the run waited for somebody.
func (r Run) wasPaused() error {
	switch {
	case r.AutoApply == nil:
		return fmt.Errorf("it is not told whether run %s is applied automatically", r.ID)
	case *r.AutoApply:
		return fmt.Errorf("run %s is applied automatically, so nobody's confirmation was waited for: switch auto-apply off for the workspace and for the run", r.ID)
	case r.ConfirmedBy.ID == "" || r.ConfirmedAt.IsZero():
		return fmt.Errorf("nobody confirmed run %s", r.ID)
	}
	return nil
}

// byAPerson holds where what is told of the account that confirmed says that it
// is a person's, by the events of the run.
func (r Run) byAPerson() error {
	acted := false
	for _, event := range r.Events {
		if event.Action == "confirmed" && event.Actor.ID != r.ConfirmedBy.ID {
			return fmt.Errorf("the events of run %s say that %.80q confirmed it, and the run says %.80q", r.ID, event.Actor.ID, r.ConfirmedBy.ID)
		}
		if event.Actor.ID != r.ConfirmedBy.ID {
			continue
		}
		switch {
		case event.Actor.Service != nil && *event.Actor.Service:
			return fmt.Errorf("run %s was confirmed by %s, which is a service account (of a team or an organization): only a person's yes counts", r.ID, r.name())
		case !event.Actor.person():
			return fmt.Errorf("it is not told whether %.80q, who confirmed run %s, is a person", r.ConfirmedBy.ID, r.ID)
		}
		acted = acted || !event.At.Before(r.PlannedAt)
	}
	if !acted {
		return fmt.Errorf("no event of run %s behind its plan is by %.80q, who is said to have confirmed it", r.ID, r.ConfirmedBy.ID)
	}
	return nil
}

// inOrder holds where the plan was complete before somebody confirmed it.
func (r Run) inOrder() error {
	switch {
	case r.PlannedAt.IsZero():
		return fmt.Errorf("it is not told when the plan of run %s was complete", r.ID)
	case r.ConfirmedAt.Before(r.PlannedAt):
		return fmt.Errorf("run %s was confirmed %s, before its plan was complete (%s)", r.ID, nhi.FormatTime(r.ConfirmedAt), nhi.FormatTime(r.PlannedAt))
	}
	return nil
}

// uploaded are the sources of configurations that somebody's client sent: then
// who created the run is who asked, as far as anybody is told.
var uploaded = []tfe.ConfigurationSource{tfe.ConfigurationSourceAPI, tfe.ConfigurationSourceTerraform, "terraform+cloud"}

// unproven says why it is not known who asked by this run; empty where it is.
// Whoever pushed a commit is told by Others: policy says who that is.
func (r Run) unproven() string {
	switch {
	case r.Commit != nil && (r.Commit.Sender == "" || r.Commit.Host == ""):
		return "it is not told who pushed the commit"
	case r.Commit != nil:
		return ""
	case !slices.Contains(uploaded, r.Source):
		return "it is not told where the configuration came from, or who pushed it"
	case r.CreatedBy.ID == "":
		return "it is not told who created the run"
	case !r.CreatedBy.person():
		return "the run was created by " + other(r.CreatedBy, "").Account.Name + ", which is no person: whoever had it do that asked"
	}
	return ""
}

// name is what people know the confirming account by.
func (r Run) name() string {
	for _, event := range r.Events {
		if event.Actor.ID == r.ConfirmedBy.ID && event.Actor.Name != "" {
			return event.Actor.Name
		}
	}
	return r.ConfirmedBy.ID
}

func (r Run) by() string {
	if r.Commit == nil || r.Commit.By.ID == "" {
		return "nobody"
	}
	return r.Commit.By.ID
}

// url is where people see the run.
func (r Run) url(host string) string {
	return "https://" + host + "/app/" + url.PathEscape(r.Identity.Organization) + "/workspaces/" + url.PathEscape(r.Identity.WorkspaceName) + "/runs/" + url.PathEscape(r.ID)
}

var errNoIdentity = errors.New("this is no run of HCP Terraform with an identity token: TFC_WORKLOAD_IDENTITY_TOKEN is not set. Set TFC_WORKLOAD_IDENTITY_AUDIENCE for the workspace")
