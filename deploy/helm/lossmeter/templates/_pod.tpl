{{/* Template of the pods of the service, of the Deployment and of the StatefulSet. */}}
{{- define "lossmeter.pod" -}}
{{- $labels := include "lossmeter.labels" . -}}
{{- $selectorLabels := include "lossmeter.selectorLabels" . -}}
{{- $volumes := dict "root" . "hasKeys" (not .Values.access.anonymous) -}}
metadata:
  {{- include "lossmeter.podMetadata" (dict "root" . "labels" $labels) | nindent 2 }}
spec:
  # preStop, the drain, the 10 seconds that closing may take in addition, and 5 to spare.
  terminationGracePeriodSeconds: {{ add .Values.drain.preStopSeconds .Values.drain.seconds 15 }}
  {{- include "lossmeter.podFields" (dict "root" . "placement" .Values "selectorLabels" $selectorLabels) | nindent 2 }}
  containers:
    - name: lossmeter
      {{- include "lossmeter.containerFields" . | nindent 6 }}
      env:
        {{- include "lossmeter.environment" . | nindent 8 }}
      ports:
        - name: http
          containerPort: {{ .Values.port }}
          protocol: TCP
      # Every 2 seconds until the service listens.
      startupProbe:
        httpGet:
          path: /livez
          port: http
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: {{ div (add .Values.startupSeconds 1) 2 }}
      # A minute without an answer is no burst of requests.
      livenessProbe:
        httpGet:
          path: /livez
          port: http
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- with .Values.drain.preStopSeconds }}
      lifecycle:
        preStop:
          exec:
            command: [sleep, {{ . | quote }}]
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      {{- include "lossmeter.volumeMounts" $volumes | nindent 6 }}
  {{- with include "lossmeter.volumes" $volumes }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Metadata of pods. `root` is the context of the chart; `labels`, in YAML, take precedence over podLabels. */}}
{{- define "lossmeter.podMetadata" -}}
{{- $url := .root.Values.store.postgres.url -}}
labels:
  {{- merge (.labels | fromYaml) .root.Values.podLabels | toYaml | nindent 2 }}
{{- /* Pods read the address when they start: a changed one starts them again. */}}
{{- with merge (empty $url | ternary dict (dict "checksum/database" (sha256sum $url))) .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Fields of every pod. `root` is the context of the chart; `placement` has nodeSelector, tolerations and affinity;
`selectorLabels`, in YAML, are those of the pods that are spread over nodes together.
*/}}
{{- define "lossmeter.podFields" -}}
{{- $selectorLabels := .selectorLabels -}}
serviceAccountName: {{ include "lossmeter.serviceAccountName" .root }}
automountServiceAccountToken: false
# A Service named lossmeter would otherwise set LOSSMETER_PORT to tcp://….
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  # The user of the image, who owns the volume by its group.
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .placement }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .root.Values }}
{{- with .image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if and .spreadOverNodes (eq .store.kind "postgres") }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $selectorLabels | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Fields of every container. */}}
{{- define "lossmeter.containerFields" -}}
image: {{ include "lossmeter.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}
