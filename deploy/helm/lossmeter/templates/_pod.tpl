{{/* Template of the pods, of the Deployment and of the StatefulSet. */}}
{{- define "lossmeter.pod" -}}
metadata:
  labels:
    {{- merge (include "lossmeter.labels" . | fromYaml) .Values.podLabels | toYaml | nindent 4 }}
  {{- $url := .Values.store.postgres.url }}
  {{- /* Pods read the address when they start: a changed one starts them again. */}}
  {{- with merge (empty $url | ternary dict (dict "checksum/database" (sha256sum $url))) .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "lossmeter.serviceAccountName" . }}
  automountServiceAccountToken: false
  # A Service named lossmeter would otherwise set LOSSMETER_PORT to tcp://….
  enableServiceLinks: false
  # preStop, the drain, the 10 seconds that closing may take in addition, and 5 to spare.
  terminationGracePeriodSeconds: {{ add .Values.drain.preStopSeconds .Values.drain.seconds 15 }}
  securityContext:
    runAsNonRoot: true
    # The user of the image, who owns the volume by its group.
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and .Values.spreadOverNodes (eq .Values.store.kind "postgres") }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "lossmeter.selectorLabels" . | nindent 10 }}
  {{- end }}
  containers:
    - name: lossmeter
      image: {{ include "lossmeter.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
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
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      {{- include "lossmeter.volumeMounts" . | nindent 6 }}
  {{- with include "lossmeter.volumes" . }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Volumes, but for the claim that the StatefulSet mounts as `store`. */}}
{{- define "lossmeter.volumes" -}}
{{- $volumes := list -}}
{{- with .Values -}}
{{- $store := .store.sqlite -}}
{{- if eq .store.kind "postgres" -}}
{{- $volumes = append $volumes (dict "name" "store" "emptyDir" (dict "sizeLimit" "64Mi")) -}}
{{- else if $store.existingClaim -}}
{{- $volumes = append $volumes (dict "name" "store" "persistentVolumeClaim" (dict "claimName" $store.existingClaim)) -}}
{{- else if $store.ephemeral -}}
{{- $volumes = append $volumes (dict "name" "store" "emptyDir" (dict "sizeLimit" $store.size)) -}}
{{- end -}}
{{- if not .access.anonymous -}}
{{- $volumes = append $volumes (dict "name" "keys" "secret" (dict "secretName" (include "lossmeter.keysSecret" $))) -}}
{{- end -}}
{{- with .data.existingClaim -}}
{{- $claim := dict "claimName" . "readOnly" true -}}
{{- $volumes = append $volumes (dict "name" "data" "persistentVolumeClaim" $claim) -}}
{{- end -}}
{{- end -}}
{{- with $volumes }}{{ toYaml . }}{{ end -}}
{{- end }}

{{- define "lossmeter.volumeMounts" -}}
{{- with .Values -}}
volumeMounts:
  # The only writable folder. The image declares it as a volume, which some runtimes would put on the node's disk.
  - name: store
    mountPath: /var/lib/lossmeter
{{- if not .access.anonymous }}
  # As a folder: a file alone would not be updated when the Secret changes.
  - name: keys
    mountPath: /etc/lossmeter/keys
    readOnly: true
{{- end }}
{{- if .data.existingClaim }}
  - name: data
    mountPath: /data
    readOnly: true
{{- end }}
{{- end -}}
{{- end }}
