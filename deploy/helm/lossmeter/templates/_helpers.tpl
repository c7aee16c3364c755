{{/* Name of every object: at most 52 characters, because Kubernetes adds up to 11 to that of a StatefulSet. */}}
{{- define "lossmeter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "lossmeter" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-lossmeter" (.Release.Name | trunc 42) | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Labels that never change: selectors cannot be updated. */}}
{{- define "lossmeter.selectorLabels" -}}
app.kubernetes.io/name: lossmeter
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Those of the workers. Another name, so that no selector of the service selects them. */}}
{{- define "lossmeter.workerSelectorLabels" -}}
app.kubernetes.io/name: lossmeter-worker
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lossmeter.labels" -}}
{{ include "lossmeter.selectorLabels" . }}
{{ include "lossmeter.releaseLabels" . }}
{{- end }}

{{- define "lossmeter.workerLabels" -}}
{{ include "lossmeter.workerSelectorLabels" . }}
{{ include "lossmeter.releaseLabels" . }}
{{- end }}

{{- define "lossmeter.releaseLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Name, namespace and labels of an object. */}}
{{- define "lossmeter.metadata" -}}
name: {{ include "lossmeter.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "lossmeter.labels" . | nindent 2 }}
{{- end }}

{{- define "lossmeter.workerMetadata" -}}
name: {{ include "lossmeter.fullname" . }}-worker
namespace: {{ .Release.Namespace }}
labels:
  {{- include "lossmeter.workerLabels" . | nindent 2 }}
{{- end }}

{{- define "lossmeter.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "lossmeter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "lossmeter.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "lossmeter.keysSecret" -}}
{{- .Values.access.keys.existingSecret | default (printf "%s-keys" (include "lossmeter.fullname" .)) -}}
{{- end }}

{{- define "lossmeter.databaseSecret" -}}
{{- .Values.store.postgres.existingSecret | default (printf "%s-database" (include "lossmeter.fullname" .)) -}}
{{- end }}

{{/* webhookUrl → LOSSMETER_WEBHOOK_URL, mlflowTrackingUri → MLFLOW_TRACKING_URI: as src/environment.ts does. */}}
{{- define "lossmeter.variable" -}}
{{- if not (hasPrefix "mlflow" .) }}LOSSMETER_{{ end }}{{ snakecase . | upper -}}
{{- end }}
