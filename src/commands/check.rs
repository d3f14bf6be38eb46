//! `fuse check`

use fuse_rules::{RuleCost, Ruleset};

use super::{Ended, config, load, problems};
use crate::cli::{Check, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Check) -> Ended {
    let config = config(arguments.config.clone())?;
    let ruleset = match load(&arguments.paths)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    if arguments.cost {
        output::print(&costs(&ruleset, arguments.format));
    }
    if let Err(diagnostics) = ruleset.within_cost(config.rules.max_cost) {
        return Ok(problems(&diagnostics, arguments.format));
    }
    if arguments.format == Format::Text {
        let counted = |count: usize, what: &str| {
            format!("{count} {what}{}", if count == 1 { "" } else { "s" })
        };
        output::print(&format!(
            "no problems in {}: {}, {}\n",
            counted(ruleset.files().iter().count(), "file"),
            counted(ruleset.events().count(), "event"),
            counted(ruleset.rules().count(), "rule"),
        ));
    }
    Ok(Exit::Clean)
}

/// What each rule can cost, the dearest first.
fn costs(ruleset: &Ruleset, format: Format) -> String {
    let mut costs: Vec<RuleCost<'_>> = ruleset.costs().collect();
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.cost));
    match format {
        Format::Json => costs.iter().map(|cost| format!("{}\n", json(cost))).collect(),
        Format::Text => {
            let number = costs.first().map_or(0, |cost| cost.cost.to_string().len()).max(4);
            let name = costs.iter().map(|cost| cost.rule.len()).max().unwrap_or(0).max(4);
            let head = format!("{:>number$}  {:name$}  dearest part\n", "cost", "rule");
            let line = |cost: &RuleCost<'_>| {
                let part = cost.dearest.as_ref();
                let part = part.map_or_else(String::new, |part| {
                    format!("{} `{}`: {}", part.place, part.text, part.cost)
                });
                let line = format!("{:>number$}  {:name$}  {part}", cost.cost, cost.rule);
                format!("{}\n", line.trim_end())
            };
            head + &costs.iter().map(line).collect::<String>() + "\n"
        }
    }
}

fn json(cost: &RuleCost<'_>) -> serde_json::Value {
    let dearest = cost.dearest.as_ref().map(
        |part| serde_json::json!({ "text": part.text, "place": part.place, "cost": part.cost }),
    );
    serde_json::json!({ "rule": cost.rule, "cost": cost.cost, "dearest": dearest })
}
