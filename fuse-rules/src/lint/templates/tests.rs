//! Reading templates, with positions.

use super::{TemplateFile, WorkflowTemplate};

const FILE: &str = r#"# Two documents and more.
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
---
kind: WorkflowTemplate
metadata:
  name: "é-build"
  namespace: ci
spec:
  entrypoint: main
  arguments:
    parameters:
      - name: ref
      - { name: depth, value: 0 }
      - name: mode
        enum: [fast, 1]
      - name: from
        valueFrom: { configMapKeyRef: { name: a, key: b } }
  templates:
    - name: main
      inputs: { parameters: [{ name: ref }] }
      steps:
        - - name: go
            template: go
            arguments:
              parameters:
                - { name: what, value: "x-{{inputs.parameters.ref}}" }
    - name: go
      inputs: { parameters: [{ name: what }, { name: other, value: "{{workflow.parameters.undeclared}}" }] }
      script:
        command: [bash]
        env:
          - { name: SAFE, value: "{{inputs.parameters.what}}" }
        source: |
          echo {{inputs.parameters.what}}
          echo "{{ workflow.parameters.mode }}" {{=workflow.parameters['depth']}}
    - name: shell
      retryStrategy: { expression: "workflow.parameters.retries > 1" }
      container:
        command: [/bin/sh, -ec]
        args: ["git clone {{workflow.parameters.ref}}", "{{workflow.parameters.mode}}"]
    - name: no-shell
      container:
        command: [git, -c]
        args: ["{{workflow.parameters.ref}}"]
---
kind: List
items:
  - kind: ClusterWorkflowTemplate
    metadata: { name: of-a-list }
    spec: {}
"#;

fn read() -> TemplateFile {
    TemplateFile::read("x.yaml", FILE).unwrap()
}

#[test]
fn templates_are_found_with_their_places() {
    let file = read();
    let names: Vec<_> = file.templates().iter().map(|template| &*template.name).collect();
    assert_eq!(names, ["é-build", "of-a-list"]);
    let build = &file.templates()[0];
    assert_eq!(build.namespace.as_deref(), Some("ci"));
    assert_eq!(&FILE[build.place.clone()], "\"é-build\"");
    let places: Vec<_> = build.parameters.iter().map(|one| &FILE[one.place.clone()]).collect();
    assert_eq!(places, ["ref", "depth", "mode", "from"]);
    let required: Vec<_> = build.parameters.iter().map(|one| one.required).collect();
    assert_eq!(required, [true, false, true, false]);
    let choices = build.parameter("mode").unwrap().choices.clone().unwrap();
    assert_eq!(choices, ["fast", "1"]);
    assert!(build.mentions("undeclared") && build.mentions("retries"));
    assert!(build.mentions("mode") && !build.mentions("what"));
}

#[test]
fn parameters_are_followed_to_where_they_are_run() {
    let file = read();
    let substitutions = file.templates()[0].substitutions.iter();
    let shown: Vec<_> = substitutions
        .map(|substitution| {
            format!(
                "{} {} {}",
                substitution.parameter,
                substitution.target,
                &FILE[substitution.place.clone()]
            )
        })
        .collect();
    insta::assert_debug_snapshot!(shown, @r#"
    [
        "ref the script of `go` {{inputs.parameters.what}}",
        "mode the script of `go` {{ workflow.parameters.mode }}",
        "depth the script of `go` {{=workflow.parameters['depth']}}",
        "ref the shell command of `shell` {{workflow.parameters.ref}}",
    ]
    "#);
}

#[test]
fn an_object_of_the_cluster_reads_as_its_file_does() {
    let object = serde_json::json!({
        "kind": "WorkflowTemplate",
        "metadata": { "name": "x" },
        "spec": {
            "arguments": { "parameters": [
                { "name": "a", "enum": ["x", 2, true] },
                { "name": "b", "value": null },
            ] },
            "templates": [{ "name": "t", "script": { "source": "{{workflow.parameters.a}}" } }],
        },
    });
    let template = WorkflowTemplate::from_object("WorkflowTemplate", "x", &object);
    let text = serde_json::to_string_pretty(&object).unwrap();
    let written = TemplateFile::read("x.json", text).unwrap();
    assert_eq!(template.parameters.len(), 2);
    for (a, b) in template.parameters.iter().zip(&written.templates()[0].parameters) {
        assert_eq!((&a.name, a.required, &a.choices), (&b.name, b.required, &b.choices));
    }
    assert_eq!(template.substitutions.len(), 1);
}

#[test]
fn an_error_in_the_yaml_is_one_line() {
    let why = TemplateFile::read("x.yaml", "a: [").unwrap_err().to_string();
    assert_eq!(why.lines().count(), 1, "{why}");
    assert!(TemplateFile::read("x.yaml", "").unwrap().templates().is_empty());
    assert!(TemplateFile::read("x.yaml", "- 1\n- text\n").unwrap().templates().is_empty());
}
