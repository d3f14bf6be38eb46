//! `fuse fuzz`

mod save;

use std::time::Instant;

use fuse_rules::diagnostic::Style;
use fuse_rules::fuzzing::{Finding, Fuzzer};
use fuse_rules::testing::Tests;
use fuse_rules::{Decision, Event};
use fuse_runtime::{Disk, files_with_ending};

use super::progress::Progress;
use super::request::TestAdmission;
use super::test::render;
use super::{Ended, counted, kinds, load_in_detail, problems, read_event};
use crate::cli::{Format, Fuzz};
use crate::{Exit, output};

/// The number of events between two looks at the clock.
const BETWEEN_LOOKS: u64 = 64;

pub(crate) fn run(arguments: &Fuzz) -> Ended {
    let (_, triggers) = kinds();
    let ruleset = match load_in_detail(&arguments.rules)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    let backends = |decision: &mut Decision, event: &Event<'_>| render(&triggers, decision, event);
    let admission = TestAdmission(&ruleset);
    let tests = Tests::new(&ruleset, &Disk).backends(&backends).admission(&admission);
    let seed = arguments.seed.unwrap_or_else(any_seed);
    let mut fuzzer = Fuzzer::new(&ruleset, seed).backends(&backends).admission(&admission);
    if let Some(rule) = &arguments.rule {
        fuzzer = fuzzer.only(rule).map_err(|names| {
            format!("there is no rule `{rule}`; {}", super::explain::there_are(&names))
        })?;
    }
    fuzzer = fuzzer.tests(&tests);
    for path in files_with_ending(&arguments.events, "json").map_err(|error| error.to_string())? {
        let body = read_event(path.as_ref())?;
        // Try it as every event: as a wrong one, it shows nothing new.
        for event in ruleset.events() {
            let why = match fuzzer.seed(event.source, event.name, &body) {
                Ok(true) => continue,
                Ok(false) => "it has a duplicate key, or half of a surrogate pair".to_owned(),
                Err(why) => format!("it is not an event: {why}"),
            };
            output::print_aside(&format!("`{path}` is skipped: {why}\n"));
            break;
        }
    }
    fuzz(&mut fuzzer, arguments);
    let findings = fuzzer.findings();
    match arguments.format {
        Format::Text => output::print(&text(&fuzzer, &findings, seed)),
        Format::Json => {
            // Directly from the struct: a JSON value would lose digits of numbers.
            let lines = findings.iter().filter_map(|finding| serde_json::to_string(finding).ok());
            output::print(&lines.map(|line| format!("{line}\n")).collect::<String>());
        }
    }
    if let Some(folder) = &arguments.save {
        save::save(folder, &ruleset, &findings)?;
    }
    Ok(if findings.is_empty() { Exit::Clean } else { Exit::Problems })
}

/// A random seed.
fn any_seed() -> u64 {
    u64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs())
}

/// Fuzzes until the time or the number of events is reached.
fn fuzz(fuzzer: &mut Fuzzer<'_>, arguments: &Fuzz) {
    let started = Instant::now();
    let elapsed = || started.elapsed();
    let mut progress = Progress::new(&elapsed);
    let length = arguments.runs.unwrap_or(arguments.time.as_secs());
    let is_over = |fuzzer: &Fuzzer<'_>| match arguments.runs {
        Some(runs) => fuzzer.runs() >= runs,
        None => elapsed() >= arguments.time,
    };
    while !is_over(fuzzer) {
        for _ in 0..arguments.runs.map_or(BETWEEN_LOOKS, |_| 1) {
            fuzzer.step();
        }
        let position = arguments.runs.map_or(elapsed().as_secs(), |_| fuzzer.runs());
        progress.at(position, length, || {
            let (fired, rules) = fuzzer.fired();
            format!(
                "{} events, {} features covered, {fired} of {rules} rules fired",
                fuzzer.runs(),
                fuzzer.features()
            )
        });
    }
    progress.finish();
}

fn text(fuzzer: &Fuzzer<'_>, findings: &[Finding], seed: u64) -> String {
    let (fired, rules) = fuzzer.fired();
    let found = match findings.len() {
        0 => "nothing found".to_owned(),
        count => counted(count, "finding"),
    };
    format!(
        "{}{found}: {} decided, {fired} of {} fired, {} features covered\n\
         to repeat: --seed {seed} --runs {}\n",
        fuzzer.problems().to_text(Style::Colour),
        counted(usize::try_from(fuzzer.runs()).unwrap_or(usize::MAX), "event"),
        counted(rules, "rule"),
        fuzzer.features(),
        fuzzer.runs(),
    )
}
