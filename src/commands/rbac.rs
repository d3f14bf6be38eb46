//! `fuse rbac`

use fuse_runtime::kubernetes::rbac::{Account, roles};
use serde_json::{Value, json};

use super::doctor::{admin_needs, needs_of, secret_needs};
use super::{Ended, config, load, problems};
use crate::cli::{Format, Rbac};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Rbac) -> Ended {
    let ruleset = match load(&arguments.rules)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    let account: Account = arguments.service_account.parse()?;
    let config = config(arguments.rules.config.clone())?;
    let mut needs = needs_of(&ruleset);
    needs.extend(admin_needs(&config));
    needs.extend(secret_needs(&ruleset, &config, &account.namespace));
    let roles = roles(&needs, &account);
    match arguments.format {
        Format::Json => {
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": roles });
            output::print(&format!("{list:#}\n"));
        }
        Format::Text if roles.is_empty() => {
            output::print("# The rules do nothing on a cluster: they need no permission.\n");
        }
        Format::Text => {
            let documents: Result<Vec<String>, String> = roles.iter().map(yaml).collect();
            output::print(&documents?.join("---\n"));
        }
    }
    Ok(Exit::Clean)
}

fn yaml(object: &Value) -> Result<String, String> {
    let text = serde_saphyr::to_string(object).map_err(|error| error.to_string())?;
    Ok(format!("{}\n", text.trim_end()))
}
