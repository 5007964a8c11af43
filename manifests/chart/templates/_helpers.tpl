{{- define "backstop.name" -}}
{{ .Values.fullnameOverride | default .Values.nameOverride | default "backstop" }}
{{- end }}

{{- define "backstop.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "backstop.name" .) }}
{{- end }}

{{- define "backstop.secret" -}}
{{ .Values.certificates.secretName | default (printf "%s-certificates" (include "backstop.name" .)) }}
{{- end }}

{{- /* A default would have every cluster try a public registry that has no such image. */ -}}
{{- define "backstop.image" -}}
{{- $image := .Values.image -}}
{{- $registry := $image.registry | default (dig "imageRegistry" "" (.Values.global | default dict)) -}}
{{- if not (or $registry $image.repository) -}}
{{- fail "no image is named. No public registry has one: build it (make image), push it, and name it, for example --set image.repository=registry.example.com/backstop" -}}
{{- end -}}
{{- if or (contains "://" $image.repository) (contains "@" $image.repository) (regexMatch ":[^/]*$" $image.repository) -}}
{{- fail (printf "image.repository: %q holds a scheme, a tag or a digest. Write the tag as image.tag, the digest as image.digest" $image.repository) -}}
{{- end -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository | default "backstop" -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "backstop.systemNamespace" -}}
{{ .Values.settings.systemNamespace | default "kcm-system" }}
{{- end }}

{{- define "backstop.selector" -}}
app.kubernetes.io/name: {{ include "backstop.name" . }}
{{- end }}

{{- define "backstop.labels" -}}
app.kubernetes.io/name: {{ include "backstop.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* (list $ ANNOTATIONS): the annotations of an object, with those that all of them have; nothing if there are none.
       At the end of the line before. */ -}}
{{- define "backstop.annotations" -}}
{{- $all := merge (index . 1 | default dict | deepCopy) ((index . 0).Values.commonAnnotations | default dict) -}}
{{- with $all }}
  annotations:
    {{- toYaml . | nindent 4 }}
{{- end -}}
{{- end }}

{{- /* What belongs to this cluster and this moment alone: Velero leaves it out of every backup, so no restore
       brings an older one back. */ -}}
{{- define "backstop.notInBackups" -}}
velero.io/exclude-from-backup: "true"
{{- end }}

{{- define "backstop.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "backstop.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* What a preset of settings upgrade.evidence reads (server/settings/evidence.c); a test compares both. */ -}}
{{- define "backstop.evidencePresets" -}}
kasten: {apiVersion: actions.kio.kasten.io/v1alpha1, kind: RunAction, namespace: kasten-io}
trilio: {apiVersion: triliovault.trilio.io/v1, kind: Backup}
cohesity: {apiVersion: velero.io/v1, kind: Backup}
etcd-job: {apiVersion: batch/v1, kind: Job, namespace: kube-system}
k3s-etcd: {apiVersion: k3s.cattle.io/v1, kind: ETCDSnapshotFile}
{{- end }}

{{- /* {NAMESPACE: {"GROUP/PLURAL": true}} of all entries of upgrade.evidence, as JSON; "" is the whole cluster. */ -}}
{{- define "backstop.evidence" -}}
{{- $presets := include "backstop.evidencePresets" . | fromYaml -}}
{{- $evidence := dig "upgrade" "evidence" dict .Values.settings -}}
{{- $found := dict -}}
{{- range concat (default list $evidence.allOf) (default list $evidence.anyOf) -}}
{{- $entry := merge (deepCopy .) (get $presets (default "" .preset) | default dict) -}}
{{- $kind := lower $entry.kind -}}
{{- $plural := printf "%ss" $kind -}}
{{- if hasSuffix "s" $kind }}{{ $plural = printf "%ses" $kind }}{{ end -}}
{{- if hasSuffix "y" $kind }}{{ $plural = printf "%sies" (trimSuffix "y" $kind) }}{{ end -}}
{{- $group := contains "/" $entry.apiVersion | ternary (splitList "/" $entry.apiVersion | first) "" -}}
{{- $namespace := $entry.namespace | default "" -}}
{{- $_ := set $found $namespace (merge (get $found $namespace | default dict) (dict (printf "%s/%s" $group ($entry.resource | default $plural)) true)) -}}
{{- end -}}
{{ toJson $found }}
{{- end }}

{{- /* Where the users of Velero's service accounts come from is one setting. */ -}}
{{- /* (dict "root" $ "accounts" LIST): user names of service accounts, NAME or NAMESPACE:NAME. */ -}}
{{- define "backstop.users" -}}
{{- $system := include "backstop.systemNamespace" .root -}}
{{- $users := list -}}
{{- range .accounts -}}
{{- $full := contains ":" . | ternary . (printf "%s:%s" $system .) -}}
{{- $users = append $users (printf "system:serviceaccount:%s" $full) -}}
{{- end -}}
{{ toJson $users }}
{{- end }}

{{- define "backstop.veleroUsers" -}}
{{- $accounts := list "velero-server" "velero" -}}
{{- with .Values.settings.velero }}{{ if hasKey . "serviceAccounts" }}{{ $accounts = .serviceAccounts }}{{ end }}{{ end -}}
{{ include "backstop.users" (dict "root" . "accounts" $accounts) }}
{{- end }}

{{- define "backstop.kcmUsers" -}}
{{- $accounts := list "kcm-controller-manager" -}}
{{- with .Values.settings.kcm }}{{ if hasKey . "serviceAccounts" }}{{ $accounts = .serviceAccounts }}{{ end }}{{ end -}}
{{ include "backstop.users" (dict "root" . "accounts" $accounts) }}
{{- end }}
