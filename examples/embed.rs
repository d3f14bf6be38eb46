//! Embeds the language in a service: load rules, evaluate one event, print the actions.
//!
//! ```sh
//! cargo run --example embed
//! ```

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;

use fuse_rules::{Event, Fuses, Ruleset};
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{ActionFiles, Triggers};
use fuse_runtime::{Disk, registry, rule_files};

fn main() -> Result<(), Box<dyn Error>> {
    let sources = Sources::new().with("webhook", Webhook::new([127, 0, 0, 1].into()));
    let triggers = Triggers::local(ActionFiles::new("manifests"));
    let rules = Ruleset::load(&rule_files(&["rules"])?, &Disk, &registry(&sources, &triggers))?;
    let plan = rules.plan();

    let body = std::fs::read("rules/events/alertmanager-mixed.json")?;
    let event = Event::new("alertmanager", "slo-alerts", &body)?.received(jiff::Timestamp::now());
    for decision in plan.evaluate(&event, &Fuses::default().set("cicd", true)).decisions {
        match decision.action {
            Some(action) => {
                println!("{} {:?}: {:?}", decision.rule, decision.element, action.fields)
            }
            None => println!("{} {:?}: {}", decision.rule, decision.element, decision.outcome),
        }
    }
    Ok(())
}
