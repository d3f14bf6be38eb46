//! `fuse bench`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use fuse_rules::{Event, Fuses, InvalidBody, Plan, Ruleset};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::de::IgnoredAny;
use serde_json::json;

use super::explain::{event_name, there_are};
use super::request::{self, Texts};
use super::{Ended, load, problems, read_event};
use crate::cli::{Bench, ProblemFormat};
use crate::{Exit, output};

/// The minimum number of rounds.
const ROUNDS: usize = 5;
/// The minimum duration of one turn: shorter ones mostly measure the clock.
const TURN: Duration = Duration::from_millis(5);
/// The number of rules that are listed for people.
const NAMED: usize = 20;

pub(crate) fn run(arguments: &Bench) -> Ended {
    let start = Instant::now();
    let ruleset = match load(&arguments.rules)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, ProblemFormat::Text)),
    };
    let plan = ruleset.plan();
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let (source, name) = measured(&ruleset, arguments.source.as_deref())?;
    let of_event = ruleset.rules().filter(|rule| rule.listens_to(&source, &name));
    let rules: Vec<String> = of_event.map(|rule| rule.name.to_owned()).collect();
    let fuses = ruleset.fuses().fold(Fuses::default(), |fuses, fuse| fuses.set(fuse.name, true));
    let headers = request::headers(&arguments.headers)?;
    let headers = request::visible(&ruleset, (&source, &name), headers);
    drop(ruleset);

    let bodies = bodies(arguments)?;
    let events = Events { source: &source, name: &name, bodies: &bodies, headers: &headers };
    let counted = events.count(&plan, &fuses, &rules).map_err(|invalid| invalid.to_string())?;
    let took = events.measure(&plan, &fuses, arguments);
    let report = Report { counted, took, load_ms, rules: rules.len(), events: &events };
    output::print(&if arguments.json { report.json() } else { report.text() });
    Ok(Exit::Clean)
}

/// The event to measure: the one that is given, or else the only one with rules.
fn measured(ruleset: &Ruleset, given: Option<&str>) -> Result<(String, String), String> {
    if let Some(given) = given {
        return event_name(ruleset, given);
    }
    let mut used: Vec<String> =
        ruleset.rules().flat_map(|rule| rule.events).map(|event| event.to_string()).collect();
    used.sort_unstable();
    used.dedup();
    match used.as_slice() {
        [one] => event_name(ruleset, one),
        _ => Err(format!("choose the event to measure with --source; {}", there_are(&used))),
    }
}

/// The bodies in all files: one per line, or one per file.
fn bodies(arguments: &Bench) -> Result<Vec<Vec<u8>>, String> {
    let mut bodies = Vec::new();
    for file in &arguments.events {
        let text = read_event(file)?;
        if serde_json::from_slice::<IgnoredAny>(&text).is_ok() {
            bodies.push(text);
            continue;
        }
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        bodies.extend(lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
    }
    if bodies.is_empty() { Err("there are no events in these files".into()) } else { Ok(bodies) }
}

struct Events<'e> {
    source: &'e str,
    name: &'e str,
    bodies: &'e [Vec<u8>],
    headers: &'e Texts,
}

/// The results for all events.
#[derive(Default)]
struct Counted<'r> {
    matches: usize,
    hits: BTreeMap<&'r str, usize>,
    refused: usize,
    /// The reason of the first refusal.
    why: Option<String>,
}

/// Nanoseconds per event.
struct Took {
    ours: f64,
    floor: f64,
    ratio: f64,
}

impl Events<'_> {
    fn event<'e>(&'e self, body: &'e [u8]) -> Result<Event<'e>, InvalidBody> {
        let event = Event::unread(self.source, self.name, body)?;
        Ok(request::with_headers(event, self.headers))
    }

    fn bytes(&self) -> usize {
        self.bodies.iter().map(Vec::len).sum()
    }

    fn count<'r>(
        &self,
        plan: &Plan,
        fuses: &Fuses,
        rules: &'r [String],
    ) -> Result<Counted<'r>, InvalidBody> {
        let mut counted = Counted {
            hits: rules.iter().map(|rule| (rule.as_str(), 0)).collect(),
            ..Counted::default()
        };
        for body in self.bodies {
            let evaluation = plan.evaluate(&self.event(body)?, fuses);
            counted.matches += evaluation.decisions.len();
            for decision in &evaluation.decisions {
                if let Some(hits) = counted.hits.get_mut(decision.rule.as_str()) {
                    *hits += 1;
                }
            }
            if let Some(why) = evaluation.refused {
                counted.refused += 1;
                counted.why.get_or_insert(why);
            }
        }
        Ok(counted)
    }

    /// Measures in turns and returns the medians, since the speed of a machine varies.
    fn measure(&self, plan: &Plan, fuses: &Fuses, arguments: &Bench) -> Took {
        let bar = bar(arguments);
        let ours = || {
            for body in self.bodies {
                if let Ok(event) = self.event(black_box(body)) {
                    black_box(plan.evaluate(&event, fuses));
                }
            }
        };
        let floor = || {
            for body in self.bodies {
                if let Ok(text) = std::str::from_utf8(black_box(body)) {
                    let _valid = black_box(serde_json::from_str::<IgnoredAny>(text));
                }
            }
        };
        let start = Instant::now();
        let (mut all_ours, mut all_floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        while ratios.len() < ROUNDS || start.elapsed() < arguments.time {
            let (one_floor, one) = (self.turn(floor), self.turn(ours));
            all_floors.push(one_floor);
            all_ours.push(one);
            ratios.push(one / one_floor);
            let done = start.elapsed().min(arguments.time).as_millis();
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        }
        bar.finish_and_clear();
        Took { ours: median(all_ours), floor: median(all_floors), ratio: median(ratios) }
    }

    /// Nanoseconds per event, iterating over all events as often as fits into a turn.
    fn turn(&self, go: impl Fn()) -> f64 {
        let (start, mut goes) = (Instant::now(), 0_u32);
        while goes == 0 || start.elapsed() < TURN {
            go();
            goes += 1;
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(goes) / self.bodies.len() as f64
    }
}

fn bar(arguments: &Bench) -> ProgressBar {
    let millis = u64::try_from(arguments.time.as_millis()).unwrap_or(u64::MAX);
    // Only visible on a terminal.
    let bar = ProgressBar::with_draw_target(Some(millis), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("measuring {wide_bar} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The memory of the process, if the system reports it.
fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

struct Report<'r> {
    counted: Counted<'r>,
    took: Took,
    load_ms: f64,
    rules: usize,
    events: &'r Events<'r>,
}

impl Report<'_> {
    fn json(&self) -> String {
        let Self { counted, took, .. } = self;
        let report = json!({
            "events": self.events.bodies.len(),
            "bytes": self.events.bytes(),
            "rules": self.rules,
            "matches": counted.matches,
            "ns_per_event": took.ours.round(),
            "floor_ns_per_event": took.floor.round(),
            "ratio": (took.ratio * 1e3).round() / 1e3,
            "load_ms": (self.load_ms * 1e3).round() / 1e3,
            "rss_bytes": rss_bytes(),
            "rule_hits": counted.hits,
            "refused": counted.refused,
        });
        format!("{report:#}\n")
    }

    fn text(&self) -> String {
        let Self { counted, took, .. } = self;
        let (count, bytes) = (self.events.bodies.len(), self.events.bytes());
        let each = bytes as f64 / count as f64;
        let mut out = String::new();
        // Writing to a string cannot fail.
        let mut line = |name: &str, value: String| {
            let _ok = writeln!(out, "{name:12} {value}");
        };
        let shown = super::counted;
        line("events", format!("{count}, {each:.0} bytes each"));
        line("rules", format!("{}, loaded in {:.1} ms", self.rules, self.load_ms));
        line(
            "deciding",
            format!(
                "{:.2} µs per event, {:.0} events/s, {:.0} MB/s",
                took.ours / 1e3,
                1e9 / took.ours,
                each * 1e3 / took.ours
            ),
        );
        line(
            "validating",
            format!(
                "{:.2} µs per event: the floor, only validating the same bytes",
                took.floor / 1e3
            ),
        );
        line("ratio", format!("{:.2} times the floor", took.ratio));
        if let Some(rss) = rss_bytes() {
            line("memory", format!("{:.1} MB", rss as f64 / 1e6));
        }
        line("matches", counted.matches.to_string());
        if let Some(why) = &counted.why {
            line(
                "refused",
                format!("{}; the first because {why}", shown(counted.refused, "event")),
            );
        }
        let mut hits: Vec<_> = counted.hits.iter().filter(|(_, hits)| **hits > 0).collect();
        hits.sort_by_key(|(rule, hits)| (std::cmp::Reverse(**hits), **rule));
        out.push('\n');
        for (rule, hits) in hits.iter().take(NAMED) {
            let _ok = writeln!(out, "{hits:>8}  {rule}");
        }
        let more = hits.len().saturating_sub(NAMED);
        if more > 0 {
            let _ok = writeln!(out, "          and {}", shown(more, "more rule"));
        }
        let never = counted.hits.len() - hits.len();
        if never > 0 {
            let _ok = writeln!(
                out,
                "          {} did not match any of these events",
                shown(never, "rule")
            );
        }
        out
    }
}
