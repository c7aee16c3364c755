{{/* Fails for values that contradict each other. The schema checks each value by itself. */}}
{{- define "lossmeter.checks" -}}
{{- $problems := list -}}
{{- with .Values -}}
{{- if eq .image.tag "latest" -}}
{{- $problems = append $problems "image.tag is latest, which says nothing about what runs: name a version" -}}
{{- end -}}

{{- $address := .store.postgres -}}
{{- if eq .store.kind "sqlite" -}}
{{- if or $address.existingSecret $address.url -}}
{{- $problems = append $problems "store.postgres has an address, and store.kind is sqlite: set store.kind=postgres" -}}
{{- end -}}
{{- else if and $address.existingSecret $address.url -}}
{{- $problems = append $problems "store.postgres.existingSecret and store.postgres.url are both set: remove one" -}}
{{- else if not (or $address.existingSecret $address.url) -}}
{{- $problems = append $problems "store.kind is postgres without an address: set store.postgres.existingSecret" -}}
{{- end -}}
{{- if and .store.sqlite.ephemeral .store.sqlite.existingClaim -}}
{{- $problems = append $problems "store.sqlite.ephemeral and store.sqlite.existingClaim are both set: remove one" -}}
{{- end -}}

{{- $keys := .access.keys -}}
{{- if and .access.anonymous (or $keys.existingSecret $keys.content) -}}
{{- $problems = append $problems "access.anonymous is true, and access.keys names keys: remove one" -}}
{{- end -}}
{{- if and $keys.existingSecret $keys.content -}}
{{- $problems = append $problems "access.keys.existingSecret and access.keys.content are both set: remove one" -}}
{{- end -}}

{{- range .extraEnv -}}
{{- if regexMatch "^(LOSSMETER|MLFLOW)_" .name -}}
{{- $problems = append $problems (printf "extraEnv has %s: use settings, secretSettings, or its value of this chart" .name) -}}
{{- end -}}
{{- end -}}
{{- if hasKey .secretSettings "mlflowTrackingUri" -}}
{{- if hasKey .settings "mlflowTrackingUri" -}}
{{- $problems = append $problems "mlflowTrackingUri is in settings and in secretSettings: remove one" -}}
{{- end -}}
{{- if and .networkPolicy.enabled (not .networkPolicy.egress) -}}
{{- $problems = append $problems "secretSettings has mlflowTrackingUri, whose port the network policy cannot know: open it in networkPolicy.egress" -}}
{{- end -}}
{{- end -}}

{{- if and .ingress.enabled .httpRoute.enabled -}}
{{- $problems = append $problems "ingress.enabled and httpRoute.enabled are both true: choose one" -}}
{{- end -}}
{{- if and .ingress.enabled (not .ingress.host) -}}
{{- $problems = append $problems "ingress.enabled is true without ingress.host" -}}
{{- end -}}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) -}}
{{- $problems = append $problems "httpRoute.enabled is true without a gateway in httpRoute.parentRefs" -}}
{{- end -}}

{{- $scaling := .autoscaling -}}
{{- if lt (int $scaling.maxReplicas) (int $scaling.minReplicas) -}}
{{- $problems = append $problems (printf "autoscaling.maxReplicas is %v, below autoscaling.minReplicas, %v" $scaling.maxReplicas $scaling.minReplicas) -}}
{{- end -}}

{{- if .worker.enabled -}}
{{- if eq .store.kind "sqlite" -}}
{{- $problems = append $problems "worker.enabled is true, and store.kind is sqlite: with SQLite the service evaluates the files of jobs itself" -}}
{{- end -}}
{{- if not (or .data.existingClaim .settings.s3Buckets) -}}
{{- $problems = append $problems "worker.enabled is true without a place of the files of jobs: set data.existingClaim or settings.s3Buckets" -}}
{{- end -}}
{{- end -}}

{{- $metrics := .settings.metrics | default "keyed" -}}
{{- if and (eq $metrics "off") (or .serviceMonitor.enabled .prometheusRule.enabled $scaling.queue.enabled) -}}
{{- $problems = append $problems "settings.metrics is off, and serviceMonitor, prometheusRule or autoscaling.queue needs metrics" -}}
{{- end -}}
{{- $isKeyed := and (not .access.anonymous) (eq $metrics "keyed") -}}
{{- if and .serviceMonitor.enabled $isKeyed (not .serviceMonitor.keySecret.name) -}}
{{- $problems = append $problems "serviceMonitor.enabled needs a key with the scope read in serviceMonitor.keySecret, or settings.metrics=open" -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\n%s\n" (join "\n" $problems)) -}}
{{- end -}}
{{- end }}
