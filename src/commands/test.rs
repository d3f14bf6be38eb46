//! `fuse test`

mod report;
mod source_view;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fuse_rules::testing::{Coverage, Mutant, Tests};
use fuse_rules::{Decision, Diagnostics, Event, Ruleset};
use fuse_runtime::Disk;
use fuse_runtime::engine::reject_unrenderable;
use fuse_runtime::event::EventKey;
use fuse_runtime::triggers::Triggers;

use super::progress::Progress;
use super::replace::replace;
use super::request::TestAdmission;
use super::test_file::add_tests;
use super::{Ended, counted, files, kinds, load_in_detail, problems};
use crate::cli::{Format, Test, TestFormat};
use crate::{Exit, output};

/// The result of one test.
struct Ran {
    number: usize,
    took: Duration,
    outcome: Result<(), Diagnostics>,
}

pub(crate) fn run(arguments: &Test) -> Ended {
    let (_, triggers) = kinds();
    let ruleset = match load_in_detail(&arguments.rules)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, Format::Text)),
    };
    let backends = |decision: &mut Decision, event: &Event<'_>| render(&triggers, decision, event);
    let admission = TestAdmission(&ruleset);
    let tests = Tests::new(&ruleset, &Disk).backends(&backends).admission(&admission);
    let chosen = chosen(&tests, &files(&arguments.rules)?, arguments.filter.as_deref());
    if let (Some(filter), true) = (&arguments.filter, chosen.is_empty()) {
        return Err(format!("no test name contains `{filter}`"));
    }
    if arguments.update {
        return update(&tests, &chosen);
    }
    let started = Instant::now();
    let ran = in_parallel(&chosen, |number| {
        let started = Instant::now();
        let outcome = tests.run(number);
        Ran { number, took: started.elapsed(), outcome }
    })?;
    let took = started.elapsed();
    let failed = ran.iter().filter(|ran| ran.outcome.is_err()).count();
    output::print(&match arguments.format {
        TestFormat::Text => report::text(&tests, &ran, took, arguments.verbose),
        TestFormat::Json => report::json(&tests, &ran),
        TestFormat::Junit => report::junit(&tests, &ran, took)?,
    });
    let mut exit = if failed > 0 { Exit::Problems } else { Exit::Clean };
    if arguments.coverage {
        let coverage = coverage(&tests, &chosen)?;
        if told(&tests, &coverage, arguments)? < arguments.fail_under.unwrap_or(0.0) {
            exit = Exit::Problems;
        }
    }
    if arguments.mutate && failed > 0 {
        output::print_aside("no faults are planted while tests fail\n");
    } else if arguments.mutate {
        let mutants = mutants(&tests, &chosen);
        output::print(&report::mutants(&tests, &mutants, arguments.format));
        if let Some(path) = &arguments.write {
            write_tests(path, &ruleset, &files(&arguments.rules)?, &mutants)?;
        }
        if mutants.iter().any(|mutant| mutant.killed_by.is_none()) {
            exit = Exit::Problems;
        }
    }
    Ok(exit)
}

/// The tests of the named files (not of their imports) whose name contains the filter.
fn chosen(tests: &Tests<'_>, names: &[String], filter: Option<&str>) -> Vec<usize> {
    let fits = |test: &usize| filter.is_none_or(|filter| tests.name(*test).contains(filter));
    tests.in_files(names).into_iter().filter(fits).collect()
}

/// Renders a decision like the backend: an action that the backend cannot render is rejected.
pub(super) fn render(triggers: &Triggers, decision: &mut Decision, event: &Event<'_>) {
    let (source, name) = (event.source().to_owned(), event.name().to_owned());
    let key = EventKey { source, name, id: event.event_id().to_owned() };
    reject_unrenderable(decision, triggers, &key);
}

/// Calls a function for each number on all cores. The results are in order.
fn in_parallel<T: Send>(
    numbers: &[usize],
    each: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>, String> {
    let all = |chunk: &[usize]| chunk.iter().map(|number| each(*number)).collect::<Vec<T>>();
    Ok(chunks_in_parallel(numbers, all)?.into_iter().flatten().collect())
}

/// Calls a function for one chunk of the numbers per core.
fn chunks_in_parallel<T: Send>(
    numbers: &[usize],
    each: impl Fn(&[usize]) -> T + Sync,
) -> Result<Vec<T>, String> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = numbers.len().div_ceil(workers).max(1);
    thread::scope(|scope| {
        let each = &each;
        let workers: Vec<_> =
            numbers.chunks(share).map(|chunk| scope.spawn(move || each(chunk))).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.collect::<Result<_, _>>().map_err(|_panic| {
            // The panic message is already on standard error.
            "running the tests failed inside fuse; please report it".to_owned()
        })
    })
}

fn coverage(tests: &Tests<'_>, chosen: &[usize]) -> Result<Coverage, String> {
    let parts = chunks_in_parallel(chosen, |chunk| tests.coverage(chunk.iter().copied()))?;
    let mut whole = tests.coverage([]);
    parts.iter().for_each(|part| whole.merge(part));
    Ok(tests.without_impossible(whole))
}

/// Prints the coverage, writes the requested files, and returns the percentage.
fn told(tests: &Tests<'_>, coverage: &Coverage, arguments: &Test) -> Result<f64, String> {
    let percent = coverage.percent();
    output::print(&report::coverage(tests, coverage, arguments.format));
    if let Some(least) = arguments.fail_under.filter(|least| percent < *least) {
        output::print_aside(&format!("coverage {percent:.1} % is less than {least} %\n"));
    }
    let files = tests.files();
    if let Some(path) = &arguments.html {
        write(path, &source_view::html(files, coverage))?;
    }
    if let Some(path) = &arguments.lcov {
        write(path, &source_view::lcov(files, coverage))?;
    }
    Ok(percent)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text)
        .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
}

fn mutants(tests: &Tests<'_>, chosen: &[usize]) -> Vec<Mutant> {
    let started = Instant::now();
    let elapsed = || started.elapsed();
    let mut progress = Progress::new(&elapsed);
    let mutants = tests.mutants(chosen.iter().copied(), &mut |done, count| {
        progress.at(done as u64, count as u64, || format!("{done} of {count} faults planted"));
    });
    progress.finish();
    mutants
}

/// Adds the tests that detect surviving mutants to a file.
fn write_tests(
    path: &Path,
    ruleset: &Ruleset,
    files: &[String],
    mutants: &[Mutant],
) -> Result<(), String> {
    let survived: Vec<&Mutant> =
        mutants.iter().filter(|mutant| mutant.killed_by.is_none()).collect();
    let tests: Vec<&str> = survived.iter().filter_map(|mutant| mutant.test.as_deref()).collect();
    let added = add_tests(path, ruleset, files, &tests)?;
    let without = match survived.len() - tests.len() {
        0 => String::new(),
        count => format!("; for {}, no single event is enough", counted(count, "fault")),
    };
    output::print_aside(&format!(
        "added {} to {}{without}\n",
        counted(added, "test"),
        path.display()
    ));
    Ok(())
}

/// Rewrites the expectations of tests.
fn update(tests: &Tests<'_>, chosen: &[usize]) -> Ended {
    let files = tests.updated(chosen.iter().copied());
    for (name, text) in &files {
        replace(Path::new(name), text)
            .map_err(|error| format!("`{name}` cannot be written: {error}"))?;
        output::print(&format!("updated {name}\n"));
    }
    let unsent = tests.unsent(chosen.iter().copied());
    if !unsent.is_empty() {
        return Ok(problems(&unsent, Format::Text));
    }
    if files.is_empty() {
        output::print("every expectation is met\n");
    }
    Ok(Exit::Clean)
}
