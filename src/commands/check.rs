//! `fuse check`

mod against;

use fuse_rules::Ruleset;
use fuse_rules::cost::RuleCost;

use super::{Ended, accept, config, counted, fix, problems};
use crate::cli::{Check, ProblemFormat};
use crate::output;

pub(crate) fn run(arguments: &Check) -> Ended {
    let config = config(arguments.rules.config.clone())?;
    let lints = config.lints().only_errors();
    let loaded = match fix::load(&arguments.rules, arguments.fix, arguments.format, &lints)? {
        Ok(ruleset) => {
            // Before the rules are accepted: the costs show why they may not be.
            if arguments.cost {
                output::print(&costs(&ruleset, arguments.format));
            }
            accept(ruleset, &config)
        }
        Err(diagnostics) => Err(diagnostics),
    };
    let ruleset = match loaded {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    let found = ruleset.warnings().clone().and(lints.run(&ruleset));
    let exit = problems(&found, arguments.format);
    if let Some(old) = &arguments.against {
        match against::load(old, &arguments.credentials, &config)? {
            Ok(old) => output::print(&against::report(&ruleset, &old, arguments.format)?),
            Err(diagnostics) => {
                output::fail(&format!(
                    "the rules to compare with have problems: {}",
                    old.display()
                ));
                return Ok(problems(&diagnostics, arguments.format));
            }
        }
    }
    if arguments.format == ProblemFormat::Text && !found.has_errors() {
        output::print(&format!("no problems in {}\n", counts(&ruleset)));
    }
    Ok(exit)
}

/// What was checked.
pub(super) fn counts(ruleset: &Ruleset) -> String {
    format!(
        "{}: {}, {}",
        counted(ruleset.files().iter().count(), "file"),
        counted(ruleset.events().count(), "event"),
        counted(ruleset.rules().count(), "rule"),
    )
}

/// The maximum cost of each rule, highest first.
fn costs(ruleset: &Ruleset, format: ProblemFormat) -> String {
    let mut costs: Vec<RuleCost<'_>> = ruleset.costs().collect();
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.cost));
    match format {
        ProblemFormat::Json => {
            let plan = ruleset.plan();
            let always = plan.always_decided();
            let found = |cost: &RuleCost<'_>| always.binary_search(&cost.rule).is_err();
            costs.iter().map(|cost| format!("{}\n", json(cost, found(cost)))).collect()
        }
        // The other formats are only for problems.
        ProblemFormat::Sarif | ProblemFormat::Github => String::new(),
        ProblemFormat::Text => {
            let number = costs.first().map_or(0, |cost| cost.cost.to_string().len()).max(4);
            let name = costs.iter().map(|cost| cost.rule.len()).max().unwrap_or(0).max(4);
            let head = format!("{:>number$}  {:name$}  most expensive part\n", "cost", "rule");
            let line = |cost: &RuleCost<'_>| {
                let part = cost.most_expensive.as_ref();
                let part = part.map_or_else(String::new, |part| {
                    format!("{} `{}`: {}", part.place, part.text, part.cost)
                });
                let line = format!("{:>number$}  {:name$}  {part}", cost.cost, cost.rule);
                format!("{}\n", line.trim_end())
            };
            head + &costs.iter().map(line).collect::<String>() + &always_decided(ruleset) + "\n"
        }
    }
}

/// The rules that the index cannot find, for people.
fn always_decided(ruleset: &Ruleset) -> String {
    let plan = ruleset.plan();
    let names = plan.always_decided();
    if names.is_empty() {
        return String::new();
    }
    format!(
        "\nevaluated for every event, since the index cannot find them (see fuse plan): {}\n",
        names.join(", ")
    )
}

fn json(cost: &RuleCost<'_>, found: bool) -> serde_json::Value {
    let dearest = cost.most_expensive.as_ref().map(
        |part| serde_json::json!({ "text": part.text, "place": part.place, "cost": part.cost }),
    );
    serde_json::json!({
        "rule": cost.rule,
        "cost": cost.cost,
        "dearest": dearest,
        "always_decided": !found,
    })
}
