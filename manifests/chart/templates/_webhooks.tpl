{{- /* What is reviewed, one row a webhook; a test holds these rows against `backstop rules`. `key` is its name
       in the values; conditions: spec (the spec changes), release (spec.release changes), edits (spec.core or
       spec.providers change, and spec.release does not), releaseStatus (status.release changes), velero, kcm (not their own write), veleroProgress (not what Velero notes on
       an object that is there), management (a Backup that kcm may have
       made),
       open (a Restore is created, or changed by somebody else before Velero takes it). */ -}}
{{- define "backstop.validating" -}}
- key: managementBackups
  name: managementbackups
  path: /validate-k0rdent-mirantis-com-v1beta1-managementbackup
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [managementbackups]
  operations: [CREATE, UPDATE, DELETE]
  scope: Cluster
  conditions: [spec]
- key: credentials
  name: credentials
  path: /validate-k0rdent-mirantis-com-v1beta1-credential
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [credentials]
  operations: [CREATE, UPDATE]
  conditions: [spec, velero, kcm]
- key: credentialDeletions
  name: credential-deletions
  path: /validate-k0rdent-mirantis-com-v1beta1-credential-deletion
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [credentials]
  operations: [DELETE]
  conditions: [velero, kcm]
- key: regionDeletions
  name: region-deletions
  path: /validate-k0rdent-mirantis-com-v1beta1-region-deletion
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [regions]
  operations: [DELETE]
  scope: Cluster
  conditions: [velero, kcm]
- key: managements
  name: managements
  path: /validate-k0rdent-mirantis-com-v1beta1-management
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [managements]
  operations: [UPDATE]
  scope: Cluster
  conditions: [release, velero]
  effects: true # the gate starts the pre-upgrade backup
- key: managementEdits
  name: management-edits
  path: /validate-k0rdent-mirantis-com-v1beta1-management-edit
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [managements]
  operations: [UPDATE]
  scope: Cluster
  conditions: [edits, velero, kcm]
- key: managementLife
  name: management-life
  path: /validate-k0rdent-mirantis-com-v1beta1-management-life
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [managements]
  operations: [CREATE, DELETE]
  scope: Cluster
  conditions: [velero, kcm]
  effects: true # the gate starts the pre-upgrade backup
- key: managementStatus
  name: management-status
  path: /validate-k0rdent-mirantis-com-v1beta1-management-status
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [managements/status]
  operations: [UPDATE]
  scope: Cluster
  conditions: [releaseStatus, velero, kcm]
- key: managementBackupStatus
  name: managementbackup-status
  path: /validate-k0rdent-mirantis-com-v1beta1-managementbackup-status
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [managementbackups/status]
  operations: [UPDATE]
  scope: Cluster
  conditions: [regionsStatus, velero, kcm]
- key: releases
  name: releases
  path: /validate-k0rdent-mirantis-com-v1beta1-release
  apiGroups: [k0rdent.mirantis.com]
  apiVersions: [v1beta1, v1alpha1]
  resources: [releases]
  operations: [UPDATE]
  scope: Cluster
  conditions: [spec, velero, kcm]
- key: backupStorageLocations
  name: backupstoragelocations
  path: /validate-velero-io-v1-backupstoragelocation
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [backupstoragelocations]
  operations: [CREATE, UPDATE, DELETE]
  conditions: [spec, velero]
- key: schedules
  name: schedules
  path: /validate-velero-io-v1-schedule
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [schedules]
  operations: [CREATE, UPDATE]
  conditions: [spec, velero]
- key: backups
  name: backups
  path: /validate-velero-io-v1-backup
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [backups]
  operations: [CREATE, UPDATE]
  conditions: [velero] # status and labels, too: they tell which backup counts
- key: restores
  name: restores
  path: /validate-velero-io-v1-restore
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [restores]
  operations: [CREATE, UPDATE]
  conditions: [spec, velero]
- key: deleteBackupRequests
  name: deletebackuprequests
  path: /validate-velero-io-v1-deletebackuprequest
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [deletebackuprequests]
  operations: [CREATE, UPDATE]
  conditions: [veleroProgress]
- key: backupDeletions
  name: backup-deletions
  path: /validate-velero-io-v1-backup-deletion
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [backups]
  operations: [DELETE]
  conditions: [velero]
- key: restoreDeletions
  name: restore-deletions
  path: /validate-velero-io-v1-restore-deletion
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [restores]
  operations: [DELETE]
  conditions: [velero]
{{- end }}

{{- define "backstop.mutating" -}}
- key: restoreMutation
  name: restores
  path: /mutate-velero-io-v1-restore
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [restores]
  operations: [CREATE, UPDATE]
  conditions: [open]
  effects: true # the ConfigMap of a rollback (settings restores.injectReleaseModifier), a pre-upgrade backup
  reinvocation: IfNeeded
- key: backupPassport
  name: backups
  path: /mutate-velero-io-v1-backup
  apiGroups: [velero.io]
  apiVersions: [v1]
  resources: [backups]
  operations: [CREATE]
  conditions: [management, velero]
  reinvocation: IfNeeded
{{- end }}

{{- define "backstop.condition.spec" -}}
- name: spec-changes
  expression: >-
    request.operation != "UPDATE" || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec
{{- end }}

{{- define "backstop.condition.release" -}}
- name: release-changes
  expression: >-
    !has(object.spec) || !has(oldObject.spec) || !has(object.spec.release) || !has(oldObject.spec.release) ||
    object.spec.release != oldObject.spec.release
{{- end }}

{{- define "backstop.condition.edits" -}}
- name: core-or-providers-change
  expression: >-
    has(object.spec) && has(oldObject.spec) && has(object.spec.release) && has(oldObject.spec.release) &&
    object.spec.release == oldObject.spec.release &&
    (has(object.spec.core) != has(oldObject.spec.core) || has(object.spec.providers) != has(oldObject.spec.providers) ||
    (has(object.spec.core) && object.spec.core != oldObject.spec.core) ||
    (has(object.spec.providers) && object.spec.providers != oldObject.spec.providers))
{{- end }}

{{- define "backstop.condition.management" -}}
- name: management-backup
  expression: >-
    has(object.spec) && has(object.spec.orLabelSelectors) && has(object.spec.excludedResources)
{{- end }}

{{- define "backstop.condition.releaseStatus" -}}
- name: status-release-changes
  expression: >-
    (has(object.status) && has(object.status.release) ? object.status.release : "") !=
    (has(oldObject.status) && has(oldObject.status.release) ? oldObject.status.release : "")
{{- end }}

{{- define "backstop.condition.regionsStatus" -}}
- name: status-regions-change
  expression: >-
    (has(object.status) && has(object.status.regions) ? object.status.regions : []) !=
    (has(oldObject.status) && has(oldObject.status.regions) ? oldObject.status.regions : [])
{{- end }}

{{- define "backstop.condition.open" -}}
- name: not-taken-by-velero-yet
  expression: >-
    request.operation == "CREATE" ||
    (!(request.userInfo.username in {{ include "backstop.veleroUsers" . }}) &&
    (!has(object.status) || !has(object.status.phase) || object.status.phase in ["", "New"]))
{{- end }}

{{- define "backstop.condition.kcm" -}}
- name: not-kcm
  expression: >-
    !(request.userInfo.username in {{ include "backstop.kcmUsers" . }})
{{- end }}

{{- define "backstop.condition.velero" -}}
- name: not-velero
  expression: >-
    !(request.userInfo.username in {{ include "backstop.veleroUsers" . }})
{{- end }}

{{- define "backstop.condition.veleroProgress" -}}
- name: not-noted-by-velero
  expression: >-
    request.operation == "CREATE" ||
    !(request.userInfo.username in {{ include "backstop.veleroUsers" . }})
{{- end }}

{{- /* One webhook: (dict "hook" ROW "kind" KIND "root" $ "closed" NAMES): of which failurePolicy Fail is rendered as such. */ -}}
{{- define "backstop.webhook" -}}
{{- $missing := printf "value webhooks.%s is missing. helm upgrade --reuse-values does not know the new values of a chart; use --reset-then-reuse-values" .hook.key -}}
{{- $values := required $missing (index .root.Values.webhooks .hook.key) -}}
{{- $name := printf "%s.backstop.k0rdent.mirantis.com" .hook.name -}}
{{- $closed := or (eq (include "backstop.enforce" .root) "atOnce") (has (printf "%s/%s" .kind $name) .closed) -}}
- name: {{ $name }}
  admissionReviewVersions: [v1]
  clientConfig:
    service:
      namespace: {{ .root.Release.Namespace }}
      name: {{ include "backstop.name" .root }}
      path: {{ .hook.path }}
      port: 443
    {{- if eq .root.Values.certificates.mode "secret" }}
    caBundle: {{ .root.Values.certificates.caBundle }}
    {{- end }}
  failurePolicy: {{ and (eq $values.failurePolicy "Fail") (not $closed) | ternary "Ignore" $values.failurePolicy }}
  matchPolicy: Equivalent
  {{- with .hook.reinvocation }}
  reinvocationPolicy: {{ . }}
  {{- end }}
  sideEffects: {{ if .hook.effects }}NoneOnDryRun{{ else }}None{{ end }}
  timeoutSeconds: {{ $values.timeoutSeconds }}
  {{- with $values.namespaceSelector | default .root.Values.webhooks.namespaceSelector }}
  namespaceSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.objectSelector | default .root.Values.webhooks.objectSelector }}
  objectSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
  - apiGroups: {{ toJson .hook.apiGroups }}
    apiVersions: {{ toJson .hook.apiVersions }}
    resources: {{ toJson .hook.resources }}
    operations: {{ toJson .hook.operations }}
    scope: {{ .hook.scope | default "Namespaced" }}
  {{- with .hook.conditions }}
  matchConditions:
  {{- range . }}
  {{- include (printf "backstop.condition.%s" .) $.root | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end }}

{{- /* webhooks.enforce, unless neither Job nor pods could ever set failurePolicy. */ -}}
{{- define "backstop.enforce" -}}
{{ or .Values.probeJob.enabled (eq .Values.certificates.mode "managed") | ternary .Values.webhooks.enforce "atOnce" }}
{{- end }}

{{- /* The names of the webhooks that fail closed already, before this upgrade, as JSON: they stay so, or an upgrade that
       fails would open the gate. New ones wait for the probe: no caBundle is in them yet, and an old pod does not know
       their paths. The only look at the cluster; without one (helm template) there are none. */ -}}
{{- define "backstop.closed" -}}
{{- $closed := list -}}
{{- range $kind := list "ValidatingWebhookConfiguration" "MutatingWebhookConfiguration" -}}
{{- range (lookup "admissionregistration.k8s.io/v1" $kind "" (include "backstop.name" $)).webhooks -}}
{{- if eq .failurePolicy "Fail" }}{{ $closed = append $closed (printf "%s/%s" $kind .name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{ toJson $closed }}
{{- end }}

{{- /* (list $ KIND ROWS): a whole configuration but for its apiVersion. */ -}}
{{- define "backstop.configuration" -}}
{{- $root := index . 0 -}}
{{- $kind := index . 1 -}}
{{- $rows := index . 2 | fromYamlArray -}}
{{- $closed := include "backstop.closed" $root | fromJsonArray -}}
{{- $failing := list -}}
{{- range $rows -}}
{{- if eq "Fail" (dig .key "failurePolicy" "" $root.Values.webhooks) }}{{ $failing = append $failing .name }}{{ end -}}
{{- end -}}
{{- $annotations := dict -}}
{{- if ne (include "backstop.enforce" $root) "atOnce" -}}
{{- $_ := set $annotations "backstop.k0rdent.mirantis.com/fail-closed" (join "," $failing) -}}
{{- end -}}
{{- with $root -}}
kind: {{ $kind }}
metadata:
  name: {{ include "backstop.name" . }}
  labels:
    {{- include "backstop.labels" . | nindent 4 }}
    {{- include "backstop.notInBackups" . | nindent 4 }}
  {{- if eq .Values.certificates.mode "cert-manager" }}
  {{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "backstop.name" .)) }}
  {{- end }}
  {{- include "backstop.annotations" (list . $annotations) }}
webhooks:
{{- range $rows }}
{{ include "backstop.webhook" (dict "hook" . "kind" $kind "root" $root "closed" $closed) }}
{{- end }}
{{- end }}
{{- end }}
