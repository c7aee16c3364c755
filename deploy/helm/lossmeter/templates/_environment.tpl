{{/* Environment of the service. */}}
{{- define "lossmeter.environment" -}}
{{- with .Values -}}
- name: LOSSMETER_HOST
  value: {{ .listenOn | quote }}
- name: LOSSMETER_PORT
  value: {{ .port | quote }}
{{- if .access.anonymous }}
- name: LOSSMETER_ALLOW_ANONYMOUS
  value: 'true'
{{- else }}
- name: LOSSMETER_API_KEYS_FILE
  value: /etc/lossmeter/keys/{{ .access.keys.secretKey }}
{{- end }}
{{- range $name, $secret := .secretSettings }}
- name: {{ include "lossmeter.variable" $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret.name }}
      key: {{ $secret.key }}
{{- end }}
{{ include "lossmeter.sharedEnvironment" $ }}
{{- end -}}
{{- end }}

{{/* Environment of a worker. It has no keys and no secret settings: no client calls it, and it calls no webhook. */}}
{{- define "lossmeter.workerEnvironment" -}}
- name: LOSSMETER_WORKER_TASKS
  value: {{ .Values.worker.tasks | quote }}
{{ include "lossmeter.sharedEnvironment" . }}
{{- end }}

{{/* Environment of the service and of its workers. */}}
{{- define "lossmeter.sharedEnvironment" -}}
{{- with .Values -}}
- name: LOSSMETER_STORE
{{- if eq .store.kind "postgres" }}
  valueFrom:
    secretKeyRef:
      name: {{ include "lossmeter.databaseSecret" $ }}
      key: {{ .store.postgres.secretKey }}
{{- else }}
  value: /var/lib/lossmeter/lossmeter.db
{{- end }}
- name: LOSSMETER_DRAIN_SECONDS
  value: {{ .drain.seconds | quote }}
{{- if .data.existingClaim }}
- name: LOSSMETER_DATA_DIR
  value: /data
{{- end }}
{{- range $name, $value := .settings }}
- name: {{ include "lossmeter.variable" $name }}
  {{- /* Numbers of values files are floating-point, and would be written as 1.7179869184e+10. */}}
  value: {{ kindIs "float64" $value | ternary (int64 $value | toString) (toString $value) | quote }}
{{- end }}
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- end }}
