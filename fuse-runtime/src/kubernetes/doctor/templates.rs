//! Compares WorkflowTemplates with the parameters that rules give them.

use std::collections::BTreeMap;

use fuse_rules::lint::WorkflowTemplate;
use fuse_rules::schema::{Outline, OutlineField};
use serde_json::Value;

use super::named::Named;
use super::{Examination, Found, collect, target};
use crate::kubernetes::{Need, RuleNeed, Scope};

const API_VERSION: &str = "argoproj.io/v1alpha1";

impl Examination<'_> {
    pub(super) async fn templates(&mut self, needs: &[RuleNeed]) {
        let templates = collect(needs, |need| match need {
            Need::Template { kind, scope, name, .. } if self.may_exist(scope) => {
                Some((*kind, scope.clone(), name.clone()))
            }
            _ => None,
        });
        let mut named: BTreeMap<Scope, Named> = BTreeMap::new();
        for ((kind, scope, name), rules) in templates {
            let wanted = target(API_VERSION, kind, &scope, &name);
            let template = match self.look(&wanted).await {
                Found::There(template) => template,
                Found::Missing => {
                    let fix = format!("apply the {kind}, or correct its name in the rules");
                    self.problem(crate::kubernetes::submit::absent(&wanted), fix, &rules);
                    continue;
                }
                Found::Unchecked(why) => {
                    self.unchecked(format!("whether {wanted} exists"), why, &rules);
                    continue;
                }
            };
            let takes = WorkflowTemplate::from_object(kind, &name, &template);
            for RuleNeed { rule, need } in needs {
                if let Need::Template { kind: k, scope: p, name: n, parameters } = need
                    && (*k, p, n) == (kind, &scope, &name)
                {
                    self.report.checked += 1;
                    for (what, fix) in problems(&takes, rule, &wanted.to_string(), parameters) {
                        self.problem(what, fix, std::slice::from_ref(rule));
                    }
                }
            }
            // A ClusterWorkflowTemplate runs in the namespace of the workflow, which the rules set.
            if let Scope::Namespace(_) = scope {
                let spec = template.get("spec").unwrap_or(&Value::Null);
                named.entry(scope).or_default().collect(spec, &rules);
            }
        }
        for (scope, named) in named {
            self.named(&scope, named).await;
        }
    }
}

/// What does not fit, and how to fix it.
fn problems(
    takes: &WorkflowTemplate,
    rule: &str,
    template: &str,
    given: &[OutlineField],
) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    for field in given {
        let Some(parameter) = takes.parameter(&field.key) else {
            if takes.mentions(&field.key) {
                continue;
            }
            let known: Vec<_> =
                takes.parameters.iter().map(|one| format!("`{}`", one.name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            problems.push((
                format!(
                    "`{rule}` gives the parameter `{}`, which {template} does not take",
                    field.key
                ),
                format!("leave it out, or correct its name; the template takes {known}"),
            ));
            continue;
        };
        if let (Outline::Constant(Value::String(value)), Some(choices)) =
            (&field.value, &parameter.choices)
            && !choices.contains(value)
        {
            problems.push((
                format!(
                    "`{rule}` gives `{}` as `{value}`, which {template} does not allow",
                    field.key
                ),
                format!("give one of {}", choices.join(", ")),
            ));
        }
    }
    for parameter in takes.parameters.iter().filter(|parameter| parameter.required) {
        let name = &parameter.name;
        match given.iter().find(|field| field.key == *name) {
            None => problems.push((
                format!("`{rule}` does not give the parameter `{name}`, which {template} needs"),
                format!("add `{name} = …` to the rule's `parameters`, or a default to the template"),
            )),
            Some(field) if field.optional => problems.push((
                format!(
                    "`{rule}` leaves the parameter `{name}` out when its value is missing, but {template} needs it"
                ),
                format!("write `{name} = … ?? \"…\"`, or give the template a default"),
            )),
            Some(_) => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(key: &str, optional: bool, value: Outline) -> OutlineField {
        OutlineField { key: key.into(), optional, value }
    }

    #[test]
    fn parameters_are_compared_by_name_need_and_choice() {
        let template = json!({ "spec": { "arguments": { "parameters": [
            { "name": "app" }, { "name": "mode", "default": "soft", "enum": ["soft", "hard"] },
            { "name": "replicas" }, { "name": "note", "value": "" } ] } } });
        let constant = |text: &str| Outline::Constant(text.into());
        let given = [
            given("app", true, Outline::Computed),
            given("mode", false, constant("loud")),
            given("replcas", false, Outline::Computed),
        ];
        let takes = WorkflowTemplate::from_object("WorkflowTemplate", "t", &template);
        let told: Vec<String> = problems(&takes, "s/r", "WorkflowTemplate n/t", &given)
            .into_iter()
            .map(|(what, fix)| format!("{what}\n  {fix}"))
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
