{{- /* The pod of a Job that runs one command: (dict "root" $ "job" VALUES "account" NAME "component" NAME "args" LIST; "settings" true:
       with the settings' ConfigMap; "retries" COUNT).
       Its name label differs from the webhook's, or the Service would send reviews to it. */ -}}
{{- define "backstop.job" -}}
backoffLimit: {{ .retries | default 20 }}
activeDeadlineSeconds: {{ .job.activeDeadlineSeconds }}
template:
  metadata:
    labels:
      app.kubernetes.io/name: {{ include "backstop.name" .root }}-{{ .component }}
      app.kubernetes.io/instance: {{ .root.Release.Name }}
      {{- with .root.Values.commonLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .root.Values.commonAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: OnFailure
    serviceAccountName: {{ .account }}
    {{- with .root.Values.imagePullSecrets }}
    imagePullSecrets:
    {{- toYaml . | nindent 4 }}
    {{- end }}
    securityContext:
      {{- include "backstop.podSecurity" .root | nindent 6 }}
    {{- with .root.Values.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .root.Values.tolerations }}
    tolerations:
    {{- toYaml . | nindent 4 }}
    {{- end }}
    containers:
    - name: {{ .component }}
      image: {{ include "backstop.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args:
      {{- toYaml .args | nindent 6 }}
      {{- with .root.Values.extraEnv }}
      env:
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- if .settings }}
      volumeMounts:
      - name: settings
        mountPath: /etc/backstop/settings
        readOnly: true
      {{- end }}
      resources:
        {{- toYaml .job.resources | nindent 8 }}
      securityContext:
        {{- include "backstop.containerSecurity" .root | nindent 8 }}
    {{- if .settings }}
    volumes:
    - name: settings
      configMap:
        name: {{ include "backstop.name" .root }}-settings
    {{- end }}
{{- end }}
