{{- define "backstop.name" -}}
{{ .Values.fullnameOverride | default "backstop" }}
{{- end }}

{{- define "backstop.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "backstop.name" .) }}
{{- end }}

{{- define "backstop.secret" -}}
{{ .Values.certificates.secretName | default (printf "%s-certificates" (include "backstop.name" .)) }}
{{- end }}

{{- define "backstop.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- define "backstop.systemNamespace" -}}
{{ .Values.settings.systemNamespace | default "kcm-system" }}
{{- end }}

{{- define "backstop.selector" -}}
app.kubernetes.io/name: {{ include "backstop.name" . }}
{{- end }}

{{- define "backstop.labels" -}}
app.kubernetes.io/name: {{ include "backstop.name" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
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
