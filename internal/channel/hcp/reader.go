package hcp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	tfe "github.com/hashicorp/go-tfe"
)

// reader reads one run from the API.
type reader struct{ client *tfe.Client }

// get asks for one document.
func (r reader) get(ctx context.Context, path string, include []string, into any) error {
	var more map[string][]string
	if len(include) > 0 {
		more = map[string][]string{"include": {strings.Join(include, ",")}}
	}
	request, err := r.client.NewRequestWithAdditionalQueryParams(http.MethodGet, path, nil, more)
	if err != nil {
		return err
	}
	return request.Do(ctx, into)
}

// run reads a run, its events with whoever acted, the commit that it is of, and
// its plan.
func (r reader) run(ctx context.Context, id string) (Run, error) {
	var document runDocument
	include := []string{string(tfe.RunCreatedBy), string(tfe.RunConfigVer), string(tfe.RunPlan)}
	if err := r.get(ctx, "runs/"+url.PathEscape(id), include, &document); err != nil {
		return Run{}, err
	}
	run := document.run()
	var events eventList
	if err := r.get(ctx, "runs/"+url.PathEscape(id)+"/run-events", []string{string(tfe.RunEventActor)}, &events); err != nil {
		return Run{}, err
	}
	for _, event := range events.Items {
		run.Events = append(run.Events, Event{Action: event.Action, At: event.CreatedAt, Actor: event.Actor.account()})
	}
	if document.Plan == nil || document.Plan.ID == "" {
		return Run{}, errors.New("the run has no plan")
	}
	var err error
	if run.Commit, err = r.commit(ctx, document.ConfigurationVersion); err != nil {
		return Run{}, err
	}
	var plan bytes.Buffer
	if err := r.get(ctx, "plans/"+url.PathEscape(document.Plan.ID)+"/json-output", nil, &plan); err != nil {
		return Run{}, err
	}
	run.Requests, err = requestsIn(plan.Bytes())
	return run, err
}

// commit reads where a configuration came from; nil where it came from no
// repository.
func (r reader) commit(ctx context.Context, configuration *configurationDocument) (*Commit, error) {
	if configuration == nil || configuration.IngressAttributes == nil || configuration.IngressAttributes.ID == "" {
		return nil, nil //nolint:nilnil // that is an answer
	}
	var ingress ingressDocument
	path := "configuration-versions/" + url.PathEscape(configuration.ID) + "/ingress-attributes"
	if err := r.get(ctx, path, nil, &ingress); err != nil {
		return nil, err
	}
	commit := &Commit{Sender: ingress.SenderUsername, By: ingress.CreatedBy.account()}
	if at, err := url.Parse(ingress.CloneURL); err == nil {
		commit.Host = strings.ToLower(at.Host)
	}
	return commit, nil
}

// run takes over what the document of a run says.
func (d runDocument) run() Run {
	run := Run{ID: d.ID, Status: d.Status, AutoApply: d.AutoApply, PlanOnly: d.PlanOnly,
		CreatedBy: d.CreatedBy.account(), ConfirmedBy: d.ConfirmedBy.account()}
	if d.Workspace != nil {
		run.Workspace = d.Workspace.ID
	}
	if d.ConfigurationVersion != nil {
		run.Source = d.ConfigurationVersion.Source
	}
	if times := d.StatusTimestamps; times != nil {
		run.ConfirmedAt = times.ConfirmedAt
		run.PlannedAt = latest(times.PlannedAt, times.PlannedAndSaved)
	}
	if d.Plan != nil && d.Plan.StatusTimestamps != nil {
		run.PlannedAt = latest(run.PlannedAt, d.Plan.StatusTimestamps.FinishedAt)
	}
	return run
}

// account takes over what a document says of a user.
func (d *userDocument) account() Account {
	if d == nil {
		return Account{}
	}
	return Account{ID: d.ID, Name: d.Username, Service: d.IsServiceAccount}
}

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
