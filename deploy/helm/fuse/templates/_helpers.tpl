{{- define "fuse.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 56 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 56 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fuse.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "fuse.labels" -}}
{{ include "fuse.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "fuse.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fuse.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/*
fuse's Roles: those of `rbac.roles`, and the one of the workflows that come with the release, unless
`rbac.roles` has one for their namespace.
*/}}
{{- define "fuse.roles" -}}
{{- $roles := .Values.rbac.roles -}}
{{- $given := dict -}}
{{- range $roles -}}
{{- $_ := set $given .namespace true -}}
{{- end -}}
{{- if and .Values.workflows.enabled (not (hasKey $given .Values.workflows.namespace)) -}}
{{- $role := .Files.Get "files/workflows/fuse-role.yaml" | fromYaml -}}
{{- $rules := required "the chart was packaged without its workflows" $role.rules -}}
{{- $roles = append $roles (dict "namespace" .Values.workflows.namespace "rules" $rules) -}}
{{- end -}}
{{- toYaml $roles -}}
{{- end -}}

{{/* The data of the ConfigMap of rules. */}}
{{- define "fuse.rules" -}}
{{- if .Values.rules -}}
{{- toYaml .Values.rules -}}
{{- else -}}
{{- $files := .Files.Glob "files/rules/*.rules" -}}
{{- if not $files -}}
{{- fail "the chart was packaged without its rules; give some as `rules`" -}}
{{- end -}}
{{- $files.AsConfig -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the password of fuse's NATS user. Servers of your own may need none. */}}
{{- define "fuse.natsSecret" -}}
{{- if .Values.highAvailability.passwordSecret -}}
{{- .Values.highAvailability.passwordSecret -}}
{{- else if not .Values.highAvailability.natsUrl -}}
{{- printf "%s-nats" (include "fuse.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* fuse.toml, with the values of fuses. */}}
{{- define "fuse.config" -}}
{{- .Values.config | trimSuffix "\n" }}
{{- if .Values.fuses }}
{{- if regexMatch "(?m)^\\s*\\[\\s*fuses\\s*\\]" .Values.config }}
{{- fail "`config` has a section [fuses]: set the fuses with `fuses` instead, or remove those with `fuses.NAME=null`" }}
{{- end }}

# `fuse switch` can change them while fuse runs.
[fuses]
{{- range $name, $value := .Values.fuses }}
{{ $name }} = {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- if .Values.highAvailability.enabled }}
{{- if regexMatch "(?m)^\\s*\\[\\s*backend\\s*\\]" .Values.config }}
{{- fail "`config` has a section [backend]: set `highAvailability` instead" }}
{{- end }}

[backend]
url = {{ default (printf "nats://%s-nats:4222" (include "fuse.fullname" .)) .Values.highAvailability.natsUrl | quote }}
{{- if include "fuse.natsSecret" . }}
user = {{ .Values.highAvailability.user | quote }}
password = { env = "NATS_PASSWORD" }
{{- end }}
{{- if .Values.highAvailability.tlsSecret }}
ca_file = "/etc/fuse/nats/ca.crt"
{{- end }}
{{- end }}
{{- end -}}
