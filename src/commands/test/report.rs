//! The output of `fuse test`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use fuse_rules::diagnostic::Style;
use fuse_rules::testing::{Coverage, Mutant, RuleCoverage, Tests};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::super::counted;
use super::Ran;
use crate::cli::TestFormat;

pub(super) fn text(tests: &Tests<'_>, ran: &[Ran], took: Duration, verbose: bool) -> String {
    let mut out = String::new();
    for ran in ran {
        if let Err(problems) = &ran.outcome {
            let (place, name) = (tests.place(ran.number), tests.name(ran.number));
            // Writing to a string cannot fail.
            let _ok = writeln!(out, "FAILED {place}: {name}\n{}", problems.to_text(Style::Colour));
        } else if verbose {
            let _ok =
                writeln!(out, "ok     {}: {}", tests.place(ran.number), tests.name(ran.number));
        }
    }
    let failed = ran.iter().filter(|ran| ran.outcome.is_err()).count();
    let passed = counted(ran.len() - failed, "test");
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let _ok = writeln!(out, "{passed} passed{failed}, in {:.2} s", took.as_secs_f64());
    out
}

/// One object per line: `name`, `place`, `passed`, `seconds`, `problems`.
pub(super) fn json(tests: &Tests<'_>, ran: &[Ran]) -> String {
    let line = |ran: &Ran| {
        let problems: Vec<Value> = match &ran.outcome {
            Ok(()) => Vec::new(),
            Err(problems) => {
                let lines = problems.to_json_lines();
                lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
            }
        };
        let test = json!({
            "name": tests.name(ran.number),
            "place": tests.place(ran.number),
            "passed": ran.outcome.is_ok(),
            "seconds": ran.took.as_secs_f64(),
            "problems": problems,
        });
        format!("{test}\n")
    };
    ran.iter().map(line).collect()
}

/// JUnit XML for CI systems, with one suite per file.
pub(super) fn junit(tests: &Tests<'_>, ran: &[Ran], took: Duration) -> Result<String, String> {
    let mut suites: BTreeMap<&str, Vec<&Ran>> = BTreeMap::new();
    for ran in ran {
        suites.entry(tests.file(ran.number)).or_default().push(ran);
    }
    let mut report = Report::new("fuse test");
    report.set_time(took);
    for (file, ran) in suites {
        let mut suite = TestSuite::new(file);
        suite.set_time(ran.iter().map(|ran| ran.took).sum());
        for ran in ran {
            let status = match &ran.outcome {
                Ok(()) => TestCaseStatus::success(),
                Err(problems) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    let first = problems.iter().next().map(|problem| problem.message.clone());
                    status.set_message(first.unwrap_or_default());
                    status.set_description(problems.to_text(Style::Plain));
                    status
                }
            };
            let mut case = TestCase::new(tests.name(ran.number), status);
            case.set_classname(file);
            case.set_time(ran.took);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report
        .to_string()
        .map(|xml| valid(&xml) + "\n")
        .map_err(|error| format!("no JUnit report: {error}"))
}

/// Removes two characters that XML cannot represent and that the writer does not remove.
fn valid(xml: &str) -> String {
    xml.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

pub(super) fn coverage(tests: &Tests<'_>, coverage: &Coverage, format: TestFormat) -> String {
    match format {
        // The format is only for tests.
        TestFormat::Junit => String::new(),
        TestFormat::Json => {
            format!("{}\n", json!({ "coverage": coverage, "percent": coverage.percent() }))
        }
        TestFormat::Text => {
            let (wanted, seen) = coverage.counts();
            let fired = coverage.rules.iter();
            let is_covered = |rule: &&RuleCoverage| rule.is_covered();
            let fired = fired.filter(is_covered).count();
            let atoms = coverage.atoms.iter().filter(|atom| atom.missing().is_empty()).count();
            let problems = tests.uncovered(coverage).to_text(Style::Colour);
            format!(
                "{problems}coverage {:.1} %: {seen} of {wanted} outcomes and truth values; \
                 {fired} of {} and {atoms} of {} fully covered\n",
                coverage.percent(),
                counted(coverage.rules.len(), "rule"),
                counted(coverage.atoms.len(), "condition"),
            )
        }
    }
}

pub(super) fn mutants(tests: &Tests<'_>, mutants: &[Mutant], format: TestFormat) -> String {
    match format {
        TestFormat::Junit => String::new(),
        TestFormat::Json => {
            mutants.iter().map(|mutant| format!("{}\n", json!({ "mutant": mutant }))).collect()
        }
        TestFormat::Text => {
            let survived = mutants.iter().filter(|mutant| mutant.killed_by.is_none()).count();
            format!(
                "{}{} planted, {} found by tests, {survived} not\n",
                tests.survivors(mutants).to_text(Style::Colour),
                counted(mutants.len(), "fault"),
                mutants.len() - survived,
            )
        }
    }
}
