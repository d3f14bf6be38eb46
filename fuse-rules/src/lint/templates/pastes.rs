//! Where a template makes its parameters a part of what is run: the text of a script, or what a shell
//! is told to run. What goes through `env` is data.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Paste;
use super::yaml::Node;

/// A parameter in a `{{…}}`.
pub(super) struct Reference<'t> {
    /// One of the workflow, or an input of the step.
    pub(super) of_workflow: bool,
    pub(super) name: &'t str,
    /// The `{{…}}` that it stands in.
    hole: Range<usize>,
}

/// The parameters in the holes of a text.
pub(super) fn references(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find("{{")).map(|at| from + at) {
        let Some(len) = text.get(start..).and_then(|rest| rest.find("}}")) else { break };
        let hole = start..start + len + 2;
        for (scope, of_workflow) in [("workflow.parameters", true), ("inputs.parameters", false)] {
            for (at, _) in text.get(hole.clone()).unwrap_or_default().match_indices(scope) {
                let after = text.get(start + at + scope.len()..hole.end).unwrap_or_default();
                let name = name(after);
                found.extend(name.map(|name| Reference { of_workflow, name, hole: hole.clone() }));
            }
        }
        from = hole.end;
    }
    found
}

/// The parameters of the workflow that a text names, in holes or in an expression of its own.
pub(super) fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    const SCOPE: &str = "workflow.parameters";
    text.match_indices(SCOPE).filter_map(|(at, _)| name(text.get(at + SCOPE.len()..)?))
}

/// The name after `parameters`: `.NAME`, `['NAME']` or `["NAME"]`.
fn name(after: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let rest = after
        .strip_prefix('.')
        .or_else(|| after.strip_prefix("['"))
        .or_else(|| after.strip_prefix("[\""))?;
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    rest.get(..end).filter(|name| !name.is_empty())
}

/// Which parameters of the workflow each input of each step may carry.
type Inputs<'n> = BTreeMap<(&'n str, &'n str), BTreeSet<&'n str>>;

/// Where the templates of a workflow's `spec` paste its parameters. `text` is that of the file.
pub(super) fn pastes(spec: &Node, text: &str) -> Vec<Paste> {
    let templates = spec.get("templates").map_or(&[][..], Node::items);
    let inputs = inputs(spec, templates);
    let mut pastes = Vec::new();
    for template in templates {
        let name = template.get("name").and_then(Node::text).unwrap_or_default();
        for (into, node) in run(template) {
            let Some(script) = node.text() else { continue };
            for reference in references(script) {
                let hole = script.get(reference.hole.clone()).unwrap_or_default();
                let place = place(node, hole, text);
                let carried = carried(&reference, name, &inputs);
                pastes.extend(carried.into_iter().map(|parameter| Paste {
                    parameter: parameter.to_owned(),
                    into: format!("{into} of `{name}`"),
                    place: place.clone(),
                }));
            }
        }
    }
    pastes
}

/// The parameters of the workflow that a reference in a step carries.
fn carried<'n>(reference: &Reference<'n>, step: &'n str, inputs: &Inputs<'n>) -> BTreeSet<&'n str> {
    match reference.of_workflow {
        true => BTreeSet::from([reference.name]),
        false => inputs.get(&(step, reference.name)).cloned().unwrap_or_default(),
    }
}

/// Follows parameters from the workflow into the inputs of its steps, and from step to step.
fn inputs<'n>(spec: &'n Node, templates: &'n [Node]) -> Inputs<'n> {
    let mut inputs = Inputs::new();
    let entry = spec.get("entrypoint").and_then(Node::text);
    // Each value that is given: in which step, to which input of which step.
    let mut given: Vec<(&str, (&str, &str), &str)> = Vec::new();
    for template in templates {
        let Some(name) = template.get("name").and_then(Node::text) else { continue };
        for (input, value) in parameters(template.get("inputs")) {
            given.extend(value.map(|value| (name, (name, input), value)));
            // The step that the workflow begins with takes the workflow's own of that name.
            if entry == Some(name) {
                inputs.entry((name, input)).or_default().insert(input);
            }
        }
        let rows = template.get("steps").map_or(&[][..], Node::items);
        let steps = rows.iter().flat_map(Node::items);
        let tasks = template.at(&["dag", "tasks"]).map_or(&[][..], Node::items);
        for step in steps.chain(tasks) {
            let Some(called) = step.get("template").and_then(Node::text) else { continue };
            for (input, value) in parameters(step.get("arguments")) {
                given.extend(value.map(|value| (name, (called, input), value)));
            }
        }
    }
    // Each round carries a parameter one step on; there are no more rounds than steps.
    for _ in 0..=templates.len() {
        let mut changed = false;
        for (step, to, value) in &given {
            for reference in references(value) {
                let carried = carried(&reference, step, &inputs);
                let known = inputs.entry(*to).or_default();
                let before = known.len();
                known.extend(carried);
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
fn parameters(node: Option<&Node>) -> impl Iterator<Item = (&str, Option<&str>)> {
    let listed = node.and_then(|node| node.get("parameters")).map_or(&[][..], Node::items);
    listed.iter().filter_map(|parameter| {
        let value = parameter.get("value").or_else(|| parameter.get("default"));
        Some((parameter.get("name")?.text()?, value.and_then(Node::text)))
    })
}

/// What is run as a program's text, and what it is.
fn run(template: &Node) -> Vec<(&'static str, &Node)> {
    let mut run = Vec::new();
    run.extend(template.at(&["script", "source"]).map(|source| ("the script", source)));
    let containers = [template.get("script"), template.get("container")].into_iter().flatten();
    let lists = ["initContainers", "sidecars"].into_iter().filter_map(|key| template.get(key));
    let set = template.at(&["containerSet", "containers"]);
    for container in containers.chain(lists.chain(set).flat_map(Node::items)) {
        run.extend(shell(container).map(|text| ("the shell command", text)));
    }
    run
}

/// What a container tells a shell to run: the word after `-c`.
fn shell(container: &Node) -> Option<&Node> {
    let words = ["command", "args"].into_iter().filter_map(|key| container.get(key));
    let mut words = words.flat_map(Node::items);
    let program = words.next()?.text()?;
    let program = program.rsplit('/').next().unwrap_or(program);
    if !matches!(program, "sh" | "bash" | "ash" | "dash" | "ksh" | "zsh" | "busybox") {
        return None;
    }
    let is_flag = |word: &&Node| {
        let flag = word.text().and_then(|text| text.strip_prefix('-'));
        flag.is_some_and(|flag| !flag.starts_with('-') && flag.ends_with('c'))
    };
    words.find(is_flag)?;
    words.next()
}

/// Where a hole stands in the file; the whole value, where it is not written there as it is.
fn place(node: &Node, hole: &str, text: &str) -> Range<usize> {
    let whole = node.place();
    let found = text.get(whole.clone()).and_then(|written| written.find(hole));
    match found {
        Some(at) => whole.start + at..whole.start + at + hole.len(),
        None => whole,
    }
}
