package testserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// document is one document of JSON:API.
type document map[string]any

// serve answers what is the API's; what is not is left to the issuer.
func (h *HCPServer) serve(w http.ResponseWriter, r *http.Request) bool {
	h.mu.Lock()
	fault := h.fault
	api := strings.HasPrefix(r.URL.Path, "/api/v2/")
	if api {
		h.asked = append(h.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v2"))
	}
	h.mu.Unlock()
	if fault != nil && fault(w, r) {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if object, found := h.objects[r.URL.Path]; found { // once, and without a token
		delete(h.objects, r.URL.Path)
		if r.Header.Get("Authorization") != "" {
			http.Error(w, "only one auth mechanism allowed", http.StatusBadRequest)
			return true
		}
		_, _ = w.Write(object)
		return true
	}
	if !api {
		return false
	}
	h.route(w, r, strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v2/"), "/"))
	return true
}

// route answers one request of the API, which wants a token it knows. A run's
// own token is one, and may read no run.
func (h *HCPServer) route(w http.ResponseWriter, r *http.Request, path []string) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	user, known := h.users[token]
	ofRun := slices.ContainsFunc(h.all(), func(run *HCPRun) bool { return run.Token == token })
	switch {
	case path[0] == "ping":
		w.Header().Set("TFP-API-Version", "2.6")
		w.WriteHeader(http.StatusNoContent)
	case !known && !ofRun:
		h.refuse(w, http.StatusUnauthorized, "unauthorized")
	case !known || len(path) < 2:
		h.refuse(w, http.StatusNotFound, "not found")
	case path[0] == "plans" && len(path) == 3 && path[2] == "json-output":
		h.planJSON(w, user, strings.Replace(path[1], "plan-", "run-", 1))
	case path[0] == "configuration-versions" && len(path) == 3 && path[2] == "ingress-attributes":
		h.ingress(w, strings.Replace(path[1], "cv-", "run-", 1))
	case path[0] == "runs" && h.runs[path[1]] == nil:
		h.refuse(w, http.StatusNotFound, "not found")
	case path[0] == "runs" && len(path) == 2:
		h.run(w, h.runs[path[1]], included(r))
	case path[0] == "runs" && path[2] == "run-events":
		h.events(w, h.runs[path[1]], included(r))
	case path[0] == "runs" && r.Method == http.MethodPost && strings.Join(path[2:], "/") == "actions/apply":
		h.confirm(w, h.runs[path[1]], user)
	default:
		h.refuse(w, http.StatusNotFound, "not found")
	}
}

func (h *HCPServer) all() (runs []*HCPRun) {
	for _, run := range h.runs {
		runs = append(runs, run)
	}
	return runs
}

func included(r *http.Request) []string { return strings.Split(r.URL.Query().Get("include"), ",") }

func (h *HCPServer) refuse(w http.ResponseWriter, code int, title string) {
	w.WriteHeader(code)
	h.answer(w, document{"errors": []document{{"status": fmt.Sprint(code), "title": title}}})
}

// confirm queues the apply of a run that is paused for that.
func (h *HCPServer) confirm(w http.ResponseWriter, run *HCPRun, by HCPUser) {
	if run.Status != "planned" {
		h.refuse(w, http.StatusConflict, "transition not allowed")
		return
	}
	run.ConfirmedBy = &by
	run.event("confirmed", &by)
	run.enter("confirmed")
	run.enter("apply_queued")
	w.WriteHeader(http.StatusAccepted)
}

// planJSON leads to the plan of a run, for a minute and for admins.
func (h *HCPServer) planJSON(w http.ResponseWriter, user HCPUser, id string) {
	run := h.runs[id]
	switch {
	case run == nil || !user.Admin:
		h.refuse(w, http.StatusNotFound, "not found")
	case run.Plan == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		h.number++
		at := fmt.Sprintf("/_archivist/v1/object/%d", h.number)
		h.objects[at] = run.Plan
		w.Header().Set("Location", h.URL()+at)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

func (h *HCPServer) ingress(w http.ResponseWriter, id string) {
	run := h.runs[id]
	if run == nil || run.Ingress == nil {
		h.refuse(w, http.StatusNotFound, "not found")
		return
	}
	h.answer(w, document{"data": document{"id": "ia-" + id, "type": "ingress-attributes",
		"attributes":    document{"clone-url": run.Ingress.CloneURL, "sender-username": run.Ingress.Sender},
		"relationships": document{"created-by": reference(run.Ingress.By)}}})
}

// run answers one run, with what was asked to be included.
func (h *HCPServer) run(w http.ResponseWriter, run *HCPRun, include []string) {
	known := []string{"", "plan", "apply", "created_by", "cost_estimate", "configuration_version", "configuration_version.ingress_attributes", "workspace"}
	for _, name := range include {
		if !slices.Contains(known, name) {
			h.refuse(w, http.StatusBadRequest, "Invalid include parameter")
			return
		}
	}
	times := document{}
	for status, at := range run.Times {
		times[strings.ReplaceAll(status, "_", "-")+"-at"] = at.Format(time.RFC3339)
	}
	plan, configuration := "plan-"+run.ID[4:], "cv-"+run.ID[4:]
	ingress := document{"data": nil}
	if run.Ingress != nil {
		ingress = relation("ingress-attributes", "ia-"+run.ID)
	}
	var more []document
	for _, name := range include {
		switch name {
		case "plan":
			attributes := document{"status": "running"}
			if at, done := run.Times["planned"]; done {
				attributes = document{"status": "finished", "status-timestamps": document{"finished-at": at.Format(time.RFC3339)}}
			}
			more = append(more, document{"id": plan, "type": "plans", "attributes": attributes})
		case "configuration_version":
			more = append(more, document{"id": configuration, "type": "configuration-versions",
				"attributes": document{"source": run.Source}, "relationships": document{"ingress-attributes": ingress}})
		case "created_by":
			more = append(more, users(run.CreatedBy)...)
		}
	}
	h.answer(w, document{"included": more, "data": document{"id": run.ID, "type": "runs",
		"attributes": document{"status": run.Status, "auto-apply": run.AutoApply, "plan-only": false, "status-timestamps": times,
			"created-at": run.Times["planning"].Format("2006-01-02T15:04:05.000Z"), "source": "tfe-api"},
		"relationships": document{"workspace": relation("workspaces", run.Workspace), "plan": relation("plans", plan),
			"configuration-version": relation("configuration-versions", configuration),
			"created-by":            reference(run.CreatedBy), "confirmed-by": reference(run.ConfirmedBy)}}})
}

func (h *HCPServer) events(w http.ResponseWriter, run *HCPRun, include []string) {
	data, more, told := []document{}, []document{}, map[string]bool{}
	for i, event := range run.Events {
		data = append(data, document{"id": fmt.Sprintf("re-%s-%d", run.ID, i), "type": "run-events",
			"attributes":    document{"action": event.Action, "created-at": event.At.Format("2006-01-02T15:04:05.000Z"), "description": nil},
			"relationships": document{"actor": reference(event.Actor)}})
		if event.Actor != nil && slices.Contains(include, "actor") && !told[event.Actor.ID] {
			more, told[event.Actor.ID] = append(more, users(event.Actor)...), true
		}
	}
	h.answer(w, document{"data": data, "included": more})
}

func relation(kind, id string) document { return document{"data": document{"id": id, "type": kind}} }

func reference(user *HCPUser) document {
	if user == nil {
		return document{"data": nil}
	}
	return relation("users", user.ID)
}

func users(user *HCPUser) []document {
	if user == nil {
		return nil
	}
	return []document{{"id": user.ID, "type": "users", "attributes": document{"username": user.Name, "is-service-account": user.Service}}}
}

// answer writes one document.
func (h *HCPServer) answer(w http.ResponseWriter, body document) {
	w.Header().Set("Content-Type", "application/vnd.api+json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		h.t.Log(err)
	}
}
