{{/*
Volumes of a pod, but for the claim that the StatefulSet mounts as `store`.
`root` is the context of the chart; `hasKeys` is true where the file of keys is mounted.
*/}}
{{- define "lossmeter.volumes" -}}
{{- $root := .root -}}
{{- $hasKeys := .hasKeys -}}
{{- $volumes := list -}}
{{- with .root.Values -}}
{{- $store := .store.sqlite -}}
{{- if eq .store.kind "postgres" -}}
{{- $volumes = append $volumes (dict "name" "store" "emptyDir" (dict "sizeLimit" "64Mi")) -}}
{{- else if $store.existingClaim -}}
{{- $volumes = append $volumes (dict "name" "store" "persistentVolumeClaim" (dict "claimName" $store.existingClaim)) -}}
{{- else if $store.ephemeral -}}
{{- $volumes = append $volumes (dict "name" "store" "emptyDir" (dict "sizeLimit" $store.size)) -}}
{{- end -}}
{{- if $hasKeys -}}
{{- $volumes = append $volumes (dict "name" "keys" "secret" (dict "secretName" (include "lossmeter.keysSecret" $root))) -}}
{{- end -}}
{{- with .data.existingClaim -}}
{{- $claim := dict "claimName" . "readOnly" true -}}
{{- $volumes = append $volumes (dict "name" "data" "persistentVolumeClaim" $claim) -}}
{{- end -}}
{{- end -}}
{{- with $volumes }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* The mounts of these volumes. The parameters are the same. */}}
{{- define "lossmeter.volumeMounts" -}}
volumeMounts:
  # The only writable folder. The image declares it as a volume, which some runtimes would put on the node's disk.
  - name: store
    mountPath: /var/lib/lossmeter
{{- if .hasKeys }}
  # As a folder: a file alone would not be updated when the Secret changes.
  - name: keys
    mountPath: /etc/lossmeter/keys
    readOnly: true
{{- end }}
{{- if .root.Values.data.existingClaim }}
  - name: data
    mountPath: /data
    readOnly: true
{{- end }}
{{- end }}
