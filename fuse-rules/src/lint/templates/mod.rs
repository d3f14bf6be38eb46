//! WorkflowTemplates of Argo, as far as it matters for rules that give them parameters. This reads
//! texts and objects; who has files or a cluster brings them.

mod pastes;
#[cfg(test)]
mod tests;
mod yaml;

use std::ops::Range;

use serde_json::Value as Json;

use crate::span::{FileId, Files, Span};
use yaml::Node;

/// A WorkflowTemplate or ClusterWorkflowTemplate.
///
/// ```
/// use fuse_rules::WorkflowTemplate;
/// use serde_json::json;
///
/// let parameters = json!([{ "name": "ref" }, { "name": "depth", "value": 1 }]);
/// let object = json!({ "spec": { "arguments": { "parameters": parameters } } });
/// let template = WorkflowTemplate::of("WorkflowTemplate", "build", &object);
/// assert!(template.parameter("ref").unwrap().required);
/// assert!(!template.parameter("depth").unwrap().required);
/// ```
#[derive(Clone, Debug)]
pub struct WorkflowTemplate {
    /// `WorkflowTemplate` or `ClusterWorkflowTemplate`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The namespace that it says it is in.
    pub namespace: Option<String>,
    /// The parameters that it declares.
    pub parameters: Vec<TemplateParameter>,
    /// Where parameters become a part of something that is run.
    pub(crate) pastes: Vec<Paste>,
    /// The parameters that stand somewhere in it, declared or not.
    mentioned: Vec<String>,
    pub(crate) place: Range<usize>,
}

/// A parameter that a template declares.
#[derive(Clone, Debug)]
pub struct TemplateParameter {
    /// Its name.
    pub name: String,
    /// Whether it has to be given, as it has no value of its own.
    pub required: bool,
    /// The values that it may have, where the template lists them.
    pub choices: Option<Vec<String>>,
    pub(crate) place: Range<usize>,
}

/// A parameter in the text of something that is run.
#[derive(Clone, Debug)]
pub(crate) struct Paste {
    pub(crate) parameter: String,
    /// Into what, as in "the script of `main`".
    pub(crate) into: String,
    pub(crate) place: Range<usize>,
}

const KINDS: [&str; 2] = ["WorkflowTemplate", "ClusterWorkflowTemplate"];

impl WorkflowTemplate {
    /// The template of this kind and name, as the API server gives it.
    pub fn of(kind: &str, name: &str, object: &Json) -> Self {
        Self::new(kind, name, &object.into(), "")
    }

    /// Reads an object of a file; `None` where it is of another kind.
    fn read(object: &Node, text: &str) -> Option<Self> {
        let kind = object.get("kind")?.text().filter(|kind| KINDS.contains(kind))?;
        let name = object.at(&["metadata", "name"])?;
        let template = Self::new(kind, name.text()?, object, text);
        Some(Self { place: name.place(), ..template })
    }

    fn new(kind: &str, name: &str, object: &Node, text: &str) -> Self {
        let declared = object.at(&["spec", "arguments", "parameters"]).map_or(&[][..], Node::items);
        let mut mentioned = Vec::new();
        object.scalars(&mut |text| {
            mentioned.extend(pastes::mentioned(text).map(str::to_owned));
        });
        let namespace = object.at(&["metadata", "namespace"]).and_then(Node::text);
        Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            parameters: declared.iter().filter_map(TemplateParameter::read).collect(),
            pastes: object.get("spec").map_or_else(Vec::new, |spec| pastes::pastes(spec, text)),
            mentioned,
            place: 0..0,
        }
    }

    /// A parameter that it declares.
    pub fn parameter(&self, name: &str) -> Option<&TemplateParameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Whether it uses a parameter of the workflow, declared or not.
    pub fn mentions(&self, parameter: &str) -> bool {
        self.mentioned.iter().any(|name| name == parameter)
    }
}

impl TemplateParameter {
    fn read(parameter: &Node) -> Option<Self> {
        let name = parameter.get("name")?;
        let has = |key: &str| parameter.get(key).is_some_and(|value| !value.is_null());
        let choices = parameter.get("enum").filter(|choices| !choices.items().is_empty());
        Some(Self {
            name: name.text()?.to_owned(),
            required: !has("value") && !has("default") && !has("valueFrom"),
            choices: choices.map(|choices| {
                choices.items().iter().filter_map(Node::text).map(str::to_owned).collect()
            }),
            place: name.place(),
        })
    }
}

/// A file with WorkflowTemplates, among other things perhaps.
///
/// ```
/// use fuse_rules::TemplateFile;
///
/// let text = "kind: WorkflowTemplate\nmetadata: { name: build }\n---\nkind: ConfigMap\n";
/// let file = TemplateFile::read("build.yaml", text).unwrap();
/// assert_eq!(file.templates()[0].name, "build");
/// assert!(TemplateFile::read("x.yaml", "a: [").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct TemplateFile {
    name: String,
    text: String,
    templates: Vec<WorkflowTemplate>,
}

impl TemplateFile {
    /// Reads a file of YAML, with any number of documents; those of other kinds are passed over.
    ///
    /// # Errors
    /// Why it is no YAML.
    pub fn read(name: impl Into<String>, text: impl Into<String>) -> Result<Self, String> {
        let (name, text) = (name.into(), text.into());
        let documents = yaml::documents(&text)?;
        let mut templates = Vec::new();
        for document in &documents {
            // `kubectl get -o yaml` gives a list.
            let items = document.get("items").map_or(&[][..], Node::items);
            let objects = std::iter::once(document).chain(items);
            templates.extend(objects.filter_map(|object| WorkflowTemplate::read(object, &text)));
        }
        Ok(Self { name, text, templates })
    }

    /// The templates in it.
    pub fn templates(&self) -> &[WorkflowTemplate] {
        &self.templates
    }
}

/// All templates that lints know of, with the files that they are in.
#[derive(Debug)]
pub(crate) struct Templates<'a> {
    all: Vec<(FileId, &'a WorkflowTemplate)>,
}

impl<'a> Templates<'a> {
    /// Adds the files after those of the rules.
    pub(super) fn new(given: &'a [TemplateFile], files: &mut Files) -> Self {
        let mut all = Vec::new();
        for file in given {
            let id = files.add(file.name.clone(), file.text.clone());
            all.extend(file.templates.iter().map(|template| (id, template)));
        }
        Self { all }
    }

    /// Those of a kind.
    pub(crate) fn of_kind(
        &self,
        kind: &str,
    ) -> impl Iterator<Item = (FileId, &'a WorkflowTemplate)> + Clone {
        self.all.iter().copied().filter(move |(_, template)| template.kind == kind)
    }

    /// The template of a kind and a name that is in a namespace, as far as both say which.
    pub(crate) fn find(
        &self,
        kind: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> Option<(FileId, &'a WorkflowTemplate)> {
        self.of_kind(kind).find(|(_, template)| {
            let own = template.namespace.as_deref();
            template.name == name && own.zip(namespace).is_none_or(|(own, wanted)| own == wanted)
        })
    }
}

/// A place in the file of a template.
pub(crate) fn span(file: FileId, place: &Range<usize>) -> Span {
    Span::new(file, place.clone())
}
