//! The parts of Argo's WorkflowTemplates that matter for rules: parameters, and where they are inserted.
//! Callers read the files or query the cluster.

mod substitutions;
#[cfg(test)]
mod tests;
mod yaml;

use std::fmt;
use std::ops::Range;

use serde_json::Value as Json;

use crate::span::{FileId, Files, Span};
use yaml::YamlNode;

/// A WorkflowTemplate or ClusterWorkflowTemplate.
///
/// ```
/// use fuse_rules::lint::WorkflowTemplate;
/// use serde_json::json;
///
/// let parameters = json!([{ "name": "ref" }, { "name": "depth", "value": 1 }]);
/// let object = json!({ "spec": { "arguments": { "parameters": parameters } } });
/// let template = WorkflowTemplate::from_object("WorkflowTemplate", "build", &object);
/// assert!(template.parameter("ref").unwrap().required);
/// assert!(!template.parameter("depth").unwrap().required);
/// ```
#[derive(Clone, Debug)]
pub struct WorkflowTemplate {
    /// `WorkflowTemplate` or `ClusterWorkflowTemplate`.
    pub kind: String,
    /// The name of the template.
    pub name: String,
    /// The namespace, if the template names one.
    pub namespace: Option<String>,
    /// The parameters that the template declares.
    pub parameters: Vec<TemplateParameter>,
    /// The places where a parameter is inserted into code.
    pub(crate) substitutions: Vec<Substitution>,
    /// The workflow parameters that occur anywhere in the template, declared or not.
    mentioned: Vec<String>,
    /// The position of its name in the file.
    pub(crate) place: Range<usize>,
}

/// A parameter that a template declares.
#[derive(Clone, Debug)]
pub struct TemplateParameter {
    /// The name of the parameter.
    pub name: String,
    /// Whether the parameter must be set because it has no default.
    pub required: bool,
    /// The allowed values, if the template lists them.
    pub choices: Option<Vec<String>>,
    pub(crate) place: Range<usize>,
}

/// A parameter that is inserted into code.
#[derive(Clone, Debug)]
pub(crate) struct Substitution {
    pub(crate) parameter: String,
    /// The code, as in "the script of `main`".
    pub(crate) target: String,
    pub(crate) place: Range<usize>,
}

const KINDS: [&str; 2] = ["WorkflowTemplate", "ClusterWorkflowTemplate"];

impl WorkflowTemplate {
    /// Reads a template from the object that the API server returns.
    pub fn from_object(kind: &str, name: &str, object: &Json) -> Self {
        Self::new(kind, name, &object.into(), "")
    }

    /// Reads an object in a file; `None` if the object is of another kind.
    fn read(object: &YamlNode, text: &str) -> Option<Self> {
        let kind = object.get("kind")?.text().filter(|kind| KINDS.contains(kind))?;
        let name = object.at(&["metadata", "name"])?;
        let template = Self::new(kind, name.text()?, object, text);
        Some(Self { place: name.place(), ..template })
    }

    fn new(kind: &str, name: &str, object: &YamlNode, text: &str) -> Self {
        let declared =
            object.at(&["spec", "arguments", "parameters"]).map_or(&[][..], YamlNode::items);
        let mut mentioned = Vec::new();
        object.scalars(&mut |text| {
            mentioned.extend(substitutions::mentioned(text).map(str::to_owned));
        });
        let namespace = object.at(&["metadata", "namespace"]).and_then(YamlNode::text);
        Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            parameters: declared.iter().filter_map(TemplateParameter::read).collect(),
            substitutions: object
                .get("spec")
                .map_or_else(Vec::new, |spec| substitutions::substitutions(spec, text)),
            mentioned,
            place: 0..0,
        }
    }

    /// The declared parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&TemplateParameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Whether the template uses a workflow parameter, declared or not.
    pub fn mentions(&self, parameter: &str) -> bool {
        self.mentioned.iter().any(|name| name == parameter)
    }
}

impl TemplateParameter {
    fn read(parameter: &YamlNode) -> Option<Self> {
        let name = parameter.get("name")?;
        let has = |key: &str| parameter.get(key).is_some_and(|value| !value.is_null());
        let choices = parameter.get("enum").filter(|choices| !choices.items().is_empty());
        Some(Self {
            name: name.text()?.to_owned(),
            required: !has("value") && !has("default") && !has("valueFrom"),
            choices: choices.map(|choices| {
                choices.items().iter().filter_map(YamlNode::text).map(str::to_owned).collect()
            }),
            place: name.place(),
        })
    }
}

/// A YAML file that may contain WorkflowTemplates.
///
/// ```
/// use fuse_rules::lint::TemplateFile;
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
    /// Reads a YAML file with any number of documents. Objects of other kinds are ignored.
    ///
    /// # Errors
    /// The text is not valid YAML.
    pub fn read(name: impl Into<String>, text: impl Into<String>) -> Result<Self, TemplateError> {
        let (name, text) = (name.into(), text.into());
        let documents = yaml::documents(&text)?;
        let mut templates = Vec::new();
        for document in &documents {
            // `kubectl get -o yaml` prints a `List` object.
            let items = document.get("items").map_or(&[][..], YamlNode::items);
            let objects = std::iter::once(document).chain(items);
            templates.extend(objects.filter_map(|object| WorkflowTemplate::read(object, &text)));
        }
        Ok(Self { name, text, templates })
    }

    /// The templates in the file.
    pub fn templates(&self) -> &[WorkflowTemplate] {
        &self.templates
    }
}

/// The error for a template file that is not valid YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

/// All available templates, with their files.
#[derive(Debug)]
pub(crate) struct TemplateSet<'a> {
    all: Vec<(FileId, &'a WorkflowTemplate)>,
}

impl<'a> TemplateSet<'a> {
    /// Adds the template files to `files`.
    pub(super) fn new(template_files: &'a [TemplateFile], files: &mut Files) -> Self {
        let mut all = Vec::new();
        for file in template_files {
            let id = files.add(file.name.clone(), file.text.clone());
            all.extend(file.templates.iter().map(|template| (id, template)));
        }
        Self { all }
    }

    /// The templates of a kind.
    pub(crate) fn of_kind(
        &self,
        kind: &str,
    ) -> impl Iterator<Item = (FileId, &'a WorkflowTemplate)> + Clone {
        self.all.iter().copied().filter(move |(_, template)| template.kind == kind)
    }

    /// Finds a template. Namespaces are compared only if both the template and the caller specify one.
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

/// The span of a place in a template file.
pub(crate) fn span(file: FileId, place: &Range<usize>) -> Span {
    Span::new(file, place.clone())
}
