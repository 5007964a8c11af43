// controller-runtime answers backstop's three paths on Go's usual webhook stack,
// written as its documentation shows: typed objects where there is a Go type,
// unstructured ones where the object must come back whole.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"backstop.example/bench/policy"
)

// ManagementBackup is the part of k0rdent's type that is read.
type ManagementBackup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec struct {
		Schedule                   string `json:"schedule,omitempty"`
		StorageLocation            string `json:"storageLocation,omitempty"`
		PerformOnManagementUpgrade bool   `json:"performOnManagementUpgrade,omitempty"`
	} `json:"spec,omitempty"`
}

// DeepCopyObject makes it a runtime.Object.
func (b *ManagementBackup) DeepCopyObject() runtime.Object {
	out := &ManagementBackup{TypeMeta: b.TypeMeta, Spec: b.Spec}
	b.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	return out
}

type handlers struct {
	decoder admission.Decoder
	facts   *policy.Facts
}

func (h *handlers) managementBackup(_ context.Context, req admission.Request) admission.Response {
	backup := &ManagementBackup{}
	if err := h.decoder.Decode(req, backup); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	warning, err := h.facts.Backup(backup.Spec.StorageLocation, backup.Spec.Schedule)
	if err != nil {
		return admission.Denied(err.Error())
	}
	return admission.Allowed("").WithWarnings(warning)
}

func (h *handlers) restore(_ context.Context, req admission.Request) admission.Response {
	object := &unstructured.Unstructured{}
	if err := h.decoder.Decode(req, object); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	backup, _, _ := unstructured.NestedString(object.Object, "spec", "backupName")
	resources, _, err := unstructured.NestedStringSlice(object.Object, "spec", "excludedResources")
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	missing, err := h.facts.Missing(backup, resources)
	if err != nil {
		return admission.Denied(err.Error())
	}
	resources = append(resources, missing...)
	if err := unstructured.SetNestedStringSlice(object.Object, resources, "spec", "excludedResources"); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if err := unstructured.SetNestedField(object.Object, "update", "spec", "existingResourcePolicy"); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	changed, err := json.Marshal(object)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(req.Object.Raw, changed)
}

func (h *handlers) management(_ context.Context, req admission.Request) admission.Response {
	after, before := &unstructured.Unstructured{}, &unstructured.Unstructured{}
	if err := h.decoder.Decode(req, after); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if err := h.decoder.DecodeRaw(req.OldObject, before); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	to, _, _ := unstructured.NestedString(after.Object, "spec", "release")
	from, _, _ := unstructured.NestedString(before.Object, "spec", "release")
	if err := h.facts.Upgrade(from, to); err != nil {
		return admission.Denied(err.Error())
	}
	return admission.Allowed("")
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9443", "")
	certs := flag.String("certs", "", "folder of tls.crt and tls.key")
	flag.Parse()
	log.SetLogger(logr.Discard())

	scheme := runtime.NewScheme()
	version := schema.GroupVersion{Group: "k0rdent.mirantis.com", Version: "v1beta1"}
	scheme.AddKnownTypes(version, &ManagementBackup{})
	metav1.AddToGroupVersion(scheme, version)
	utilruntime.Must(admissionv1.AddToScheme(scheme))

	host, port, err := net.SplitHostPort(*listen)
	utilruntime.Must(err)
	number, err := strconv.Atoi(port)
	utilruntime.Must(err)
	h := &handlers{decoder: admission.NewDecoder(scheme), facts: policy.NewFacts()}
	server := webhook.NewServer(webhook.Options{Host: host, Port: number, CertDir: *certs})
	for path, handler := range map[string]admission.HandlerFunc{
		"/validate-k0rdent-mirantis-com-v1beta1-managementbackup": h.managementBackup,
		"/mutate-velero-io-v1-restore":                            h.restore,
		"/validate-k0rdent-mirantis-com-v1beta1-management":       h.management,
	} {
		server.Register(path, &admission.Webhook{Handler: handler})
	}
	if err := server.Start(signals.SetupSignalHandler()); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
