package hcp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel/hcp"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

var wished = nhi.DigestOf("nhi request 1\n")

// planOf is a plan in JSON that creates an approval of a request.
func planOf(request nhi.Digest) []byte {
	return []byte(fmt.Sprintf(`{"format_version":"1.2","resource_changes":[{"address":"nhi_approval.etl","mode":"managed","type":"nhi_approval",
"provider_name":"registry.terraform.io/nhi-terraform/nhi","change":{"actions":["create"],"before":null,"after":{"request":%q}}}]}`, request))
}

// stage is a server with people, and the environment of one process.
type stage struct {
	*testserver.HCPServer
	t             testing.TB
	ana, rae, bot testserver.HCPUser
	api           testserver.HCPUser
	env           map[string]string
	values        nhi.Values
}

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{HCPServer: testserver.HCP(t), t: t, env: map[string]string{}}
	s.ana, s.rae = s.User("ana"), s.User("rae")
	s.bot = s.User("api-team", func(u *testserver.HCPUser) { u.Service = true })
	s.api = s.User("api-nhi", func(u *testserver.HCPUser) { u.Service, u.Admin = true, true })
	s.values = nhi.Values{"hostname": nhi.Text(s.Host()), "token": nhi.Text(s.api.Token), "ca_cert_file": nhi.Text(s.CAFile())}
	return s
}

// enter gives this process the environment of a phase of a run.
func (s *stage) enter(run *testserver.HCPRun, phase string) {
	for _, variable := range s.HCPServer.Env(run, phase) {
		name, value, _ := strings.Cut(variable, "=")
		s.env[name] = value
	}
}

// confirmed plays a run up to its apply.
func (s *stage) confirmed(by testserver.HCPUser, change ...func(*testserver.HCPRun)) *testserver.HCPRun {
	s.t.Helper()
	run := s.Queue(s.rae, change...)
	s.Planned(run, planOf(wished))
	if !run.AutoApply {
		if code := s.Confirm(run, by); code != http.StatusAccepted {
			s.t.Fatalf("confirming answered %d", code)
		}
	}
	s.Applying(run)
	s.enter(run, "apply")
	return run
}

func (s *stage) open() *channel.Open {
	s.t.Helper()
	env := maps.Clone(s.env)
	open, errs := channel.NewOpen(hcp.Kind(), s.values, channel.Options{Getenv: func(name string) string { return env[name] }})
	if len(errs) > 0 {
		s.t.Fatal(errs)
	}
	return open
}

func (s *stage) ask(request nhi.Digest) (channel.Yes, error) {
	s.t.Helper()
	return s.open().Ask(context.Background(), channel.Question{Request: request, Now: time.Now()})
}

func (s *stage) nobody(words string) {
	s.t.Helper()
	yes, err := s.ask(wished)
	if !errors.Is(err, channel.ErrNobody) || !strings.Contains(fmt.Sprint(err), words) {
		s.t.Errorf("%+v, %v; want %q", yes, err, words)
	}
	if err != nil && strings.Contains(err.Error(), s.api.Token) {
		s.t.Errorf("the error holds the API token: %s", err)
	}
}

// What a gateway in between says of a request may quote it: the API token stays
// out of every error, wherever it came from.
func TestAnErrorNeverQuotesTheToken(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"setting", "variable"} {
		s := newStage(t)
		if from == "variable" {
			delete(s.values, "token")
			s.env["TFE_TOKEN"] = s.api.Token
		}
		s.confirmed(s.ana)
		s.Fault(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/runs/") {
				return false
			}
			w.Header().Set("Content-Type", "application/vnd.api+json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"errors":[{"status":"403","title":"refused","detail":%q}]}`, r.Header.Get("Authorization"))
			return true
		})
		if _, err := s.ask(wished); err == nil || strings.Contains(err.Error(), s.api.Token) || !strings.Contains(err.Error(), "***") {
			t.Errorf("%s: %v", from, err)
		}
	}
}

func TestWhoeverConfirmedTheRunSaysYes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	run := s.confirmed(s.ana)
	yes, err := s.ask(wished)
	if err != nil {
		t.Fatal(err)
	}
	want := channel.Account{ID: s.ana.ID, Name: "ana", Host: s.Host()}
	if yes.Account != want || yes.Run != run.ID || yes.Unproven != "" || time.Since(yes.At) > time.Minute {
		t.Errorf("%+v, want %+v by %s", yes, want, run.ID)
	}
	if url := s.URL() + "/app/acme/workspaces/payments-etl/runs/" + run.ID; yes.URL != url {
		t.Errorf("the URL is %s, want %s", yes.URL, url)
	}
	creator := channel.Other{Account: channel.Account{ID: s.rae.ID, Name: "rae", Host: s.Host()}, Role: "created the run", Sole: true}
	if !slices.Equal(yes.Others, []channel.Other{creator}) {
		t.Errorf("the others are %+v, want %+v", yes.Others, creator)
	}
	// The API token is taken from the environment where it is not set.
	delete(s.values, "token")
	s.nobody("there is no API token")
	s.env["TFE_TOKEN"] = s.api.Token
	if _, err := s.ask(wished); err != nil {
		t.Error(err)
	}
}

// What is read of a run serves for all requests of an apply.
func TestOneRunIsReadOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.confirmed(s.ana)
	open := s.open()
	s.Asked()
	for range 20 {
		if _, err := open.Ask(context.Background(), channel.Question{Request: wished, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if asked := s.Asked(); len(asked) > 5 {
		t.Errorf("the API was asked %d times: %q", len(asked), asked)
	}
}

func TestWhatIsNobodysYes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*testserver.HCPRun)
		after  func(*stage, *testserver.HCPRun)
		by     func(*stage) testserver.HCPUser
		words  string
	}{
		"auto-apply":            {func(r *testserver.HCPRun) { r.AutoApply = true }, nil, nil, "is applied automatically"},
		"a service account":     {nil, nil, func(s *stage) testserver.HCPUser { return s.bot }, "which is a service account"},
		"who created the run":   {nil, nil, func(s *stage) testserver.HCPUser { return s.rae }, "who asked for it"},
		"a run without a token": {nil, func(s *stage, _ *testserver.HCPRun) { delete(s.env, "TFC_WORKLOAD_IDENTITY_TOKEN") }, nil, "TFC_WORKLOAD_IDENTITY_TOKEN is not set"},
		"a forged run id":       {nil, func(s *stage, _ *testserver.HCPRun) { s.env["TFC_RUN_ID"] = "run-other" }, nil, `TFC_RUN_ID says "run-other"`},
		"the phase plan":        {nil, func(s *stage, r *testserver.HCPRun) { s.enter(r, "plan") }, nil, `this is the phase "plan"`},
		"a finished run":        {nil, func(s *stage, r *testserver.HCPRun) { s.Applied(r) }, nil, `is "applied", and not being applied`},
		"another audience":      {nil, identity("aud", "aws.workload.identity"), nil, "it is for another audience"},
		"another workspace":     {nil, identity("terraform_workspace_id", "ws-other"), nil, `in workspace "ws-other"`},
		"no workspace":          {nil, identity("terraform_workspace_id", nil), nil, "does not name its run, workspace and phase"},
		"an unknown run": {nil, func(s *stage, r *testserver.HCPRun) {
			identity("terraform_run_id", "run-gone")(s, r)
			delete(s.env, "TFC_RUN_ID")
		}, nil, "knows no run run-gone"},
		"a token of another": {nil, func(s *stage, r *testserver.HCPRun) {
			s.env["TFC_WORKLOAD_IDENTITY_TOKEN"] = testserver.HCP(s.t).Identity(r, "apply", nil)
		}, nil, "it is of another issuer"},
		"an expired token":        {nil, identity("exp", time.Now().Add(-time.Hour).Unix()), nil, "it has expired"},
		"the run's own API token": {nil, func(s *stage, r *testserver.HCPRun) { s.values["token"] = nhi.Text(r.Token) }, nil, "a run's own token cannot read runs"},
		"a token that is refused": {nil, func(s *stage, _ *testserver.HCPRun) { s.values["token"] = nhi.Text("nobody.atlasv1.x") }, nil, "refuses the API token (401)"},
		"no admin":                {nil, func(s *stage, _ *testserver.HCPRun) { s.values["token"] = nhi.Text(s.bot.Token) }, nil, "admin access to the workspace"},
		"another plan":            {nil, plan(planOf(nhi.DigestOf("another request"))), nil, "its plan does not ask for this request"},
		"a plan without changes":  {nil, plan([]byte(strings.Replace(string(planOf(wished)), `"create"`, `"no-op"`, 1))), nil, "its plan does not ask for this request"},
		"another provider's":      {nil, plan([]byte(strings.Replace(string(planOf(wished)), "nhi-terraform/nhi", "evil/nhi-x", 1))), nil, "its plan does not ask for this request"},
		"a plan that is none":     {nil, plan([]byte("[]")), nil, "cannot be read as a plan"},
		"a plan that is too long": {nil, plan(slices.Concat([]byte(`{"x":"`), make([]byte, 65<<20))), nil, "the answer is too long"},
		"no plan yet":             {nil, plan(nil), nil, "cannot be read as a plan"},
		"confirmed before it": {nil, func(s *stage, r *testserver.HCPRun) {
			s.Change(r, func(r *testserver.HCPRun) { r.Times["planned"] = time.Now().Add(time.Hour) })
		}, nil, "behind its plan"},
		"another actor": {nil, func(s *stage, r *testserver.HCPRun) {
			s.Change(r, func(r *testserver.HCPRun) { r.Events[1].Actor = &s.rae })
		}, nil, "the events of run"},
		"no actor": {nil, func(s *stage, r *testserver.HCPRun) {
			s.Change(r, func(r *testserver.HCPRun) { r.Events[1].Actor = nil })
		}, nil, "the events of run"},
		"nobody":                      {nil, func(s *stage, r *testserver.HCPRun) { s.Change(r, func(r *testserver.HCPRun) { r.ConfirmedBy = nil }) }, nil, "nobody confirmed run"},
		"an API that is down":         {nil, func(s *stage, _ *testserver.HCPRun) { s.Fault(down) }, nil, "did not tell about run"},
		"an API that leads elsewhere": {nil, func(s *stage, _ *testserver.HCPRun) { s.Fault(elsewhere) }, nil, "redirects to where it must not"},
		"an API that answers junk":    {nil, func(s *stage, _ *testserver.HCPRun) { s.Fault(junk) }, nil, "did not tell about run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			by := s.ana
			if c.by != nil {
				by = c.by(s)
			}
			change := []func(*testserver.HCPRun){}
			if c.change != nil {
				change = append(change, c.change)
			}
			run := s.confirmed(by, change...)
			if c.after != nil {
				c.after(s, run)
			}
			s.nobody(c.words)
		})
	}
}

func identity(claim string, value any) func(*stage, *testserver.HCPRun) {
	return func(s *stage, run *testserver.HCPRun) {
		s.env["TFC_WORKLOAD_IDENTITY_TOKEN"] = s.Identity(run, "apply", map[string]any{claim: value})
	}
}

func plan(text []byte) func(*stage, *testserver.HCPRun) {
	return func(s *stage, run *testserver.HCPRun) { s.Change(run, func(r *testserver.HCPRun) { r.Plan = text }) }
}

func down(w http.ResponseWriter, r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/api/v2/runs") {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	return false
}

func elsewhere(w http.ResponseWriter, r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/api/v2/runs") {
		http.Redirect(w, r, "https://elsewhere.example.com/api/v2/runs/run-1", http.StatusFound)
		return true
	}
	return false
}

func junk(w http.ResponseWriter, r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/api/v2/runs") {
		_, _ = w.Write([]byte(`{"data": "ana"}`))
		return true
	}
	return false
}

// A slow service is not waited for, and no request of its own outlives the wait
// for long.
func TestASlowServiceIsNoYes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.confirmed(s.ana)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.Fault(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return false
	})
	began := time.Now()
	_, err := s.open().Within(300*time.Millisecond).Ask(context.Background(), channel.Question{Request: wished, Now: time.Now()})
	if !errors.Is(err, channel.ErrNobody) || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// Who pushed a commit asked, too. Only policy can say who that is.
func TestWhoAskedByARun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change   func(*stage) func(*testserver.HCPRun)
		unproven string
		others   int
	}{
		"a person by the API":   {func(*stage) func(*testserver.HCPRun) { return func(*testserver.HCPRun) {} }, "", 1},
		"a bot by the API":      {func(s *stage) func(*testserver.HCPRun) { return func(r *testserver.HCPRun) { r.CreatedBy = &s.bot } }, "which is no person", 1},
		"nobody is told":        {func(*stage) func(*testserver.HCPRun) { return func(r *testserver.HCPRun) { r.CreatedBy = nil } }, "who created the run", 0},
		"a source nobody knows": {func(*stage) func(*testserver.HCPRun) { return func(r *testserver.HCPRun) { r.Source = "github" } }, "who pushed it", 1},
		"a commit": {func(s *stage) func(*testserver.HCPRun) {
			return func(r *testserver.HCPRun) {
				r.Source, r.Ingress = "github", &testserver.HCPIngress{CloneURL: "https://GitHub.com/acme/x.git", Sender: "rae-gh", By: &s.bot}
			}
		}, "", 3},
		"a commit of nobody": {func(*stage) func(*testserver.HCPRun) {
			return func(r *testserver.HCPRun) {
				r.Source, r.Ingress = "github", &testserver.HCPIngress{CloneURL: "https://github.com/acme/x.git"}
			}
		}, "who pushed the commit", 1},
		"a commit from anywhere": {func(*stage) func(*testserver.HCPRun) {
			return func(r *testserver.HCPRun) { r.Source, r.Ingress = "github", &testserver.HCPIngress{Sender: "rae-gh"} }
		}, "who pushed the commit", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.confirmed(s.ana, c.change(s))
			yes, err := s.ask(wished)
			if err != nil {
				t.Fatal(err)
			}
			if len(yes.Others) != c.others || (c.unproven == "") != (yes.Unproven == "") || !strings.Contains(yes.Unproven, c.unproven) {
				t.Errorf("unproven %q, others %+v; want %q and %d", yes.Unproven, yes.Others, c.unproven, c.others)
			}
			if name == "a commit" {
				want := channel.Other{Account: channel.Account{ID: "rae-gh", Name: "rae-gh", Host: "github.com"}, Role: "pushed the commit", Sole: true}
				if !slices.Contains(yes.Others, want) {
					t.Errorf("%+v is not among %+v", want, yes.Others)
				}
			}
		})
	}
	// Who confirmed what they pushed, by the same account.
	s := newStage(t)
	s.confirmed(s.ana, func(r *testserver.HCPRun) {
		r.CreatedBy, r.Source = &s.bot, "github"
		r.Ingress = &testserver.HCPIngress{CloneURL: "https://github.com/acme/x.git", Sender: "ana-gh", By: &s.ana}
	})
	s.nobody("who asked for it")
}

func TestTheServerRefuses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	run := s.Queue(s.rae)
	if code := s.Confirm(run, s.ana); code != http.StatusConflict {
		t.Errorf("confirming what is not planned answered %d", code)
	}
	s.Planned(run, planOf(wished))
	if code := s.Confirm(run, testserver.HCPUser{Token: "nobody"}); code != http.StatusUnauthorized {
		t.Errorf("confirming without a token answered %d", code)
	}
	if code := s.Confirm(&testserver.HCPRun{ID: "run-gone"}, s.ana); code != http.StatusNotFound {
		t.Errorf("confirming an unknown run answered %d", code)
	}
	if code := s.Confirm(run, s.ana); code != http.StatusAccepted {
		t.Errorf("confirming answered %d", code)
	}
	if code := s.Confirm(run, s.ana); code != http.StatusConflict {
		t.Errorf("confirming again answered %d", code)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]nhi.Values{
		"capitals": {"hostname": nhi.Text("App.terraform.io")}, "a URL": {"hostname": nhi.Text("https://app.terraform.io")},
		"a path": {"hostname": nhi.Text("app.terraform.io/x")}, "a user": {"hostname": nhi.Text("ana@app.terraform.io")},
		"no file": {"ca_cert_file": nhi.Text("/nowhere/ca.pem")}, "no audience": {"audience": nhi.Text("")},
	} {
		if open, errs := channel.NewOpen(hcp.Kind(), values, channel.Options{Getenv: func(string) string { return "" }}); len(errs) == 0 {
			t.Errorf("%s: %+v", name, open)
		}
	}
	open, errs := channel.NewOpen(hcp.Kind(), nhi.Values{}, channel.Options{Getenv: func(string) string { return "" }})
	if len(errs) > 0 || open.Host != "app.terraform.io" {
		t.Errorf("%+v %v", open, errs)
	}
}
