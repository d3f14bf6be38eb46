//! Finds the parameters that a template inserts into code: into a script, or into a shell command.
//! Values that pass through `env` are data.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Substitution;
use super::yaml::YamlNode;

/// A reference to a parameter in a `{{…}}`.
pub(super) struct ParameterReference<'t> {
    /// Whether it is a workflow parameter rather than an input of the step.
    pub(super) of_workflow: bool,
    pub(super) name: &'t str,
    /// The position of the `{{…}}` in the text.
    braces: Range<usize>,
}

/// The references in all `{{…}}` of a text.
pub(super) fn references(text: &str) -> Vec<ParameterReference<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find("{{")).map(|at| from + at) {
        let Some(len) = text.get(start..).and_then(|rest| rest.find("}}")) else { break };
        let braces = start..start + len + 2;
        for (scope, of_workflow) in [("workflow.parameters", true), ("inputs.parameters", false)] {
            for (at, _) in text.get(braces.clone()).unwrap_or_default().match_indices(scope) {
                let after = text.get(start + at + scope.len()..braces.end).unwrap_or_default();
                let name = name(after);
                found.extend(name.map(|name| ParameterReference {
                    of_workflow,
                    name,
                    braces: braces.clone(),
                }));
            }
        }
        from = braces.end;
    }
    found
}

/// The workflow parameters that a text mentions, in `{{…}}` or in an expression.
pub(super) fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    const SCOPE: &str = "workflow.parameters";
    text.match_indices(SCOPE).filter_map(|(at, _)| name(text.get(at + SCOPE.len()..)?))
}

/// The name that follows `parameters`: `.NAME`, `['NAME']` or `["NAME"]`.
fn name(after: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let rest = after
        .strip_prefix('.')
        .or_else(|| after.strip_prefix("['"))
        .or_else(|| after.strip_prefix("[\""))?;
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    rest.get(..end).filter(|name| !name.is_empty())
}

/// The workflow parameters that each input of each step may contain.
type Inputs<'n> = BTreeMap<(&'n str, &'n str), BTreeSet<&'n str>>;

/// The places where the templates in a workflow's `spec` insert parameters into code. `text` is the file.
pub(super) fn substitutions(spec: &YamlNode, text: &str) -> Vec<Substitution> {
    let templates = spec.get("templates").map_or(&[][..], YamlNode::items);
    let inputs = inputs(spec, templates);
    let mut substitutions = Vec::new();
    for template in templates {
        let name = template.get("name").and_then(YamlNode::text).unwrap_or_default();
        for (code, node) in code(template) {
            let Some(script) = node.text() else { continue };
            for reference in references(script) {
                let braces = script.get(reference.braces.clone()).unwrap_or_default();
                let place = place(node, braces, text);
                let sources = sources(&reference, name, &inputs);
                substitutions.extend(sources.into_iter().map(|parameter| Substitution {
                    parameter: parameter.to_owned(),
                    target: format!("{code} of `{name}`"),
                    place: place.clone(),
                }));
            }
        }
    }
    substitutions
}

/// The workflow parameters that the value of a reference may contain.
fn sources<'n>(
    reference: &ParameterReference<'n>,
    step: &'n str,
    inputs: &Inputs<'n>,
) -> BTreeSet<&'n str> {
    match reference.of_workflow {
        true => BTreeSet::from([reference.name]),
        false => inputs.get(&(step, reference.name)).cloned().unwrap_or_default(),
    }
}

/// Follows parameters from the workflow to the inputs of its steps, and from step to step.
fn inputs<'n>(spec: &'n YamlNode, templates: &'n [YamlNode]) -> Inputs<'n> {
    let mut inputs = Inputs::new();
    let entry = spec.get("entrypoint").and_then(YamlNode::text);
    // Each argument: the calling step, the called step with its input, and the value.
    let mut arguments: Vec<(&str, (&str, &str), &str)> = Vec::new();
    for template in templates {
        let Some(name) = template.get("name").and_then(YamlNode::text) else { continue };
        for (input, value) in parameters(template.get("inputs")) {
            arguments.extend(value.map(|value| (name, (name, input), value)));
            // The inputs of the entry point receive the workflow parameters of the same name.
            if entry == Some(name) {
                inputs.entry((name, input)).or_default().insert(input);
            }
        }
        let rows = template.get("steps").map_or(&[][..], YamlNode::items);
        let steps = rows.iter().flat_map(YamlNode::items);
        let tasks = template.at(&["dag", "tasks"]).map_or(&[][..], YamlNode::items);
        for step in steps.chain(tasks) {
            let Some(called) = step.get("template").and_then(YamlNode::text) else { continue };
            for (input, value) in parameters(step.get("arguments")) {
                arguments.extend(value.map(|value| (name, (called, input), value)));
            }
        }
    }
    // Each round follows parameters by one step, so the number of steps limits the rounds.
    for _ in 0..=templates.len() {
        let mut changed = false;
        for (step, to, value) in &arguments {
            for reference in references(value) {
                let sources = sources(&reference, step, &inputs);
                let known = inputs.entry(*to).or_default();
                let before = known.len();
                known.extend(sources);
                changed |= known.len() > before;
            }
        }
        if !changed {
            break;
        }
    }
    inputs
}

/// The names and values of `parameters`.
fn parameters(node: Option<&YamlNode>) -> impl Iterator<Item = (&str, Option<&str>)> {
    let listed = node.and_then(|node| node.get("parameters")).map_or(&[][..], YamlNode::items);
    listed.iter().filter_map(|parameter| {
        let value = parameter.get("value").or_else(|| parameter.get("default"));
        Some((parameter.get("name")?.text()?, value.and_then(YamlNode::text)))
    })
}

/// The texts that a template runs as code, each with a description.
fn code(template: &YamlNode) -> Vec<(&'static str, &YamlNode)> {
    let mut code = Vec::new();
    code.extend(template.at(&["script", "source"]).map(|source| ("the script", source)));
    let containers = [template.get("script"), template.get("container")].into_iter().flatten();
    let lists = ["initContainers", "sidecars"].into_iter().filter_map(|key| template.get(key));
    let set = template.at(&["containerSet", "containers"]);
    for container in containers.chain(lists.chain(set).flat_map(YamlNode::items)) {
        code.extend(shell_command(container).map(|text| ("the shell command", text)));
    }
    code
}

/// The shell command of a container: the argument after `-c`.
fn shell_command(container: &YamlNode) -> Option<&YamlNode> {
    let words = ["command", "args"].into_iter().filter_map(|key| container.get(key));
    let mut words = words.flat_map(YamlNode::items);
    let program = words.next()?.text()?;
    let program = program.rsplit('/').next().unwrap_or(program);
    if !matches!(program, "sh" | "bash" | "ash" | "dash" | "ksh" | "zsh" | "busybox") {
        return None;
    }
    let is_flag = |word: &&YamlNode| {
        let flag = word.text().and_then(|text| text.strip_prefix('-'));
        flag.is_some_and(|flag| !flag.starts_with('-') && flag.ends_with('c'))
    };
    words.find(is_flag)?;
    words.next()
}

/// The position of `braces` in the file, or of the whole value if its text differs from the file (escapes).
fn place(node: &YamlNode, braces: &str, text: &str) -> Range<usize> {
    let whole = node.place();
    let found = text.get(whole.clone()).and_then(|written| written.find(braces));
    match found {
        Some(at) => whole.start + at..whole.start + at + braces.len(),
        None => whole,
    }
}
