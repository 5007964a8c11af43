// net-http answers backstop's three paths with the standard library alone: only the
// fields that are read are decoded. The strongest simple Go.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"

	"backstop.example/bench/policy"
)

const bodyLimit = 7 << 20

type request struct {
	UID       string          `json:"uid"`
	Object    json.RawMessage `json:"object"`
	OldObject json.RawMessage `json:"oldObject"`
}

type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type response struct {
	UID       string   `json:"uid"`
	Allowed   bool     `json:"allowed"`
	Status    *status  `json:"status,omitempty"`
	Patch     []byte   `json:"patch,omitempty"`
	PatchType string   `json:"patchType,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type step struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

type handler struct{ facts *policy.Facts }

func (h *handler) managementBackup(r *request, out *response) error {
	var object struct {
		Spec struct {
			Schedule        string `json:"schedule"`
			StorageLocation string `json:"storageLocation"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(r.Object, &object); err != nil {
		return err
	}
	warning, err := h.facts.Backup(object.Spec.StorageLocation, object.Spec.Schedule)
	out.Warnings = []string{warning}
	return err
}

func (h *handler) restore(r *request, out *response) error {
	var object struct {
		Spec struct {
			BackupName        string   `json:"backupName"`
			ExcludedResources []string `json:"excludedResources"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(r.Object, &object); err != nil {
		return err
	}
	missing, err := h.facts.Missing(object.Spec.BackupName, object.Spec.ExcludedResources)
	if err != nil {
		return err
	}
	steps := []step{{"add", "/spec/existingResourcePolicy", "update"}}
	if object.Spec.ExcludedResources == nil {
		steps = append(steps, step{"add", "/spec/excludedResources", missing})
		missing = nil
	}
	for _, resource := range missing {
		steps = append(steps, step{"add", "/spec/excludedResources/-", resource})
	}
	out.PatchType = "JSONPatch"
	out.Patch, err = json.Marshal(steps)
	return err
}

func (h *handler) management(r *request, _ *response) error {
	var after, before struct {
		Spec struct {
			Release string `json:"release"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(r.Object, &after); err != nil {
		return err
	}
	if err := json.Unmarshal(r.OldObject, &before); err != nil {
		return err
	}
	return h.facts.Upgrade(before.Spec.Release, after.Spec.Release)
}

func serve(decide func(*request, *response) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
		var in review
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		if err != nil || in.Request == nil {
			http.Error(w, "no AdmissionReview", http.StatusBadRequest)
			return
		}
		out := &response{UID: in.Request.UID, Allowed: true}
		if err := decide(in.Request, out); err != nil {
			out = &response{UID: in.Request.UID, Status: &status{http.StatusForbidden, err.Error()}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview", Response: out})
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9443", "")
	certs := flag.String("certs", "", "folder of tls.crt and tls.key")
	flag.Parse()
	h := &handler{facts: policy.NewFacts()}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /validate-k0rdent-mirantis-com-v1beta1-managementbackup", serve(h.managementBackup))
	mux.HandleFunc("POST /mutate-velero-io-v1-restore", serve(h.restore))
	mux.HandleFunc("POST /validate-k0rdent-mirantis-com-v1beta1-management", serve(h.management))
	server := &http.Server{Addr: *listen, Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	log.Fatal(server.ListenAndServeTLS(*certs+"/tls.crt", *certs+"/tls.key"))
}
