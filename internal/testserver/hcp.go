package testserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// HCPServer plays HCP Terraform on loopback, over TLS: it keeps the state of runs
// as the documented API does, signs the identity tokens of their phases, answers
// what a run's reader asks, and refuses what the real one refuses. Sources:
//
//	https://developer.hashicorp.com/terraform/cloud-docs/api-docs/run
//	https://developer.hashicorp.com/terraform/cloud-docs/api-docs/plans
//	https://developer.hashicorp.com/terraform/cloud-docs/api-docs/configuration-versions
//	https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/workload-identity-tokens
type HCPServer struct {
	*IssuerServer
	// Audience is whom the identity tokens are for.
	Audience string

	t      testing.TB
	client *http.Client

	mu      sync.Mutex
	users   map[string]HCPUser // by API token
	runs    map[string]*HCPRun
	objects map[string][]byte // plans behind a temporary address
	fault   func(http.ResponseWriter, *http.Request) bool
	asked   []string
	number  int
}

// HCPUser is an account: a person's, or the service account of a team.
type HCPUser struct {
	ID, Name string
	Service  bool
	Admin    bool // of the workspace: may read plans as JSON
	Token    string
}

// HCPRun is a run. Tests change it before it is queued; see HCPServer.Queue.
type HCPRun struct {
	ID, Workspace string
	Status        string
	AutoApply     bool
	CreatedBy     *HCPUser // nil where nobody is told
	ConfirmedBy   *HCPUser
	Source        string // of its configuration
	Ingress       *HCPIngress
	Events        []HCPEvent
	Times         map[string]time.Time // by status, as in status-timestamps
	Plan          []byte               // as JSON; nil until it is complete
	Token         string               // the run's own, which reads no runs
}

// HCPIngress is the commit that a configuration came from.
type HCPIngress struct {
	CloneURL, Sender string
	By               *HCPUser
}

// HCPEvent is what somebody did with a run.
type HCPEvent struct {
	Action string
	At     time.Time
	Actor  *HCPUser
}

// The organization and the workspace of every run.
const (
	hcpOrganization = "acme"
	hcpWorkspace    = "payments-etl"
	hcpWorkspaceID  = "ws-mbsd5E3Ktt5Rg2Xm"
)

// HCP starts one, without runs.
func HCP(t testing.TB) *HCPServer {
	t.Helper()
	h := &HCPServer{IssuerServer: TLSIssuer(t), Audience: "nhi", t: t, users: map[string]HCPUser{}, runs: map[string]*HCPRun{}, objects: map[string][]byte{}}
	h.IssuerServer.Fault(h.serve)
	h.client = h.server.Client()
	return h
}

// Host is what the provider block calls hostname.
func (h *HCPServer) Host() string { return strings.TrimPrefix(h.URL(), "https://") }

// Trust is what a client must trust.
func (h *HCPServer) Trust() *tls.Config {
	transport, _ := h.client.Transport.(*http.Transport)
	return transport.TLSClientConfig
}

// Fault answers requests itself where it returns true; nil ends that.
func (h *HCPServer) Fault(fault func(http.ResponseWriter, *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = fault
}

// Asked returns the paths that the API was asked for since the last call.
func (h *HCPServer) Asked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	return asked
}

// User makes an account that may confirm runs.
func (h *HCPServer) User(name string, change ...func(*HCPUser)) HCPUser {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.number++
	user := HCPUser{ID: fmt.Sprintf("user-%s%04d", name, h.number), Name: name, Token: fmt.Sprintf("%s.atlasv1.%04d", name, h.number)}
	for _, edit := range change {
		edit(&user)
	}
	h.users[user.Token] = user
	return user
}

// Queue makes a run as by the API, changed before it is queued.
func (h *HCPServer) Queue(by HCPUser, change ...func(*HCPRun)) *HCPRun {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.number++
	id := fmt.Sprintf("run-X3n1AUXNGW%04d", h.number)
	run := &HCPRun{ID: id, Workspace: hcpWorkspaceID, Status: "planning", CreatedBy: &by, Source: "tfe-api",
		Times: map[string]time.Time{"planning": time.Now().UTC()}, Token: id + ".atlasv1"}
	for _, edit := range change {
		edit(run)
	}
	run.event("created", run.CreatedBy)
	h.runs[id] = run
	return run
}

func (r *HCPRun) event(action string, by *HCPUser) {
	r.Events = append(r.Events, HCPEvent{action, time.Now().UTC(), by})
}

// enter moves a run on; times have whole seconds, as the real ones.
func (r *HCPRun) enter(status string) {
	r.Status = status
	r.Times[status] = time.Now().UTC().Truncate(time.Second)
}

// Planned ends the plan of a run: what terraform show -json says of it. A run
// that is applied automatically goes on, and every other one waits.
func (h *HCPServer) Planned(run *HCPRun, plan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	run.Plan = plan
	run.enter("planned")
	if run.AutoApply {
		run.enter("confirmed")
		run.enter("apply_queued")
	}
}

// Confirm confirms a run, as the button and the API do, and returns the status
// code of the answer.
func (h *HCPServer) Confirm(run *HCPRun, by HCPUser) int {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL()+"/api/v2/runs/"+run.ID+"/actions/apply", bytes.NewReader(nil))
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+by.Token)
	response, err := h.client.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// Applying begins the apply of a run that was confirmed.
func (h *HCPServer) Applying(run *HCPRun) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if run.Status != "apply_queued" {
		h.t.Fatalf("%s is %s, and cannot be applied", run.ID, run.Status)
	}
	run.enter("applying")
}

// Applied ends the apply of a run.
func (h *HCPServer) Applied(run *HCPRun) {
	h.mu.Lock()
	defer h.mu.Unlock()
	run.enter("applied")
}

// Change edits a run under the server's lock.
func (h *HCPServer) Change(run *HCPRun, edit func(*HCPRun)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	edit(run)
}

// Identity signs the identity token of a phase of a run. Claims that are nil
// are left out.
func (h *HCPServer) Identity(run *HCPRun, phase string, claims map[string]any) string {
	h.t.Helper()
	full := "organization:" + hcpOrganization + ":project:Default Project:workspace:" + hcpWorkspace
	all := map[string]any{
		"aud": h.Audience, "sub": full + ":run_phase:" + phase, "terraform_full_workspace": full,
		"terraform_organization_id": "org-GRNbCjYNpBB6NEH9", "terraform_organization_name": hcpOrganization,
		"terraform_project_id": "prj-vegSA59s1XPwMr2t", "terraform_project_name": "Default Project",
		"terraform_workspace_id": run.Workspace, "terraform_workspace_name": hcpWorkspace,
		"terraform_run_id": run.ID, "terraform_run_phase": phase,
	}
	for name, value := range claims {
		all[name] = value
	}
	return h.Token(all)
}

// Env is what the service adds to the environment of a phase of a run.
func (h *HCPServer) Env(run *HCPRun, phase string) []string {
	return []string{
		"TFC_RUN_ID=" + run.ID, "TFC_WORKSPACE_NAME=" + hcpWorkspace, "TFC_WORKLOAD_IDENTITY_AUDIENCE=" + h.Audience,
		"TFC_WORKLOAD_IDENTITY_TOKEN=" + h.Identity(run, phase, nil),
	}
}
