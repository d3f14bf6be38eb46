//! Laws of the list of states: it shows what the clauses remember, and no sensitive value is recorded.

use std::collections::BTreeMap;

use fuse_rules::Outcome;
use fuse_rules::flow::{
    BlowClause, BlowCounts, BlowingFuse, Cancellation, Flow, FlowRequest, FlowTime, Overflow,
};
use jiff::SignedDuration;

use super::Fixture;
use super::concurrency::started;
use super::support::{OpenBackend, Violation, at, outcomes, verdict};
use super::waits::{asks, request};
use crate::event::EventKey;
use crate::ledger::{StatePage, StateQuery, StateSummary};

/// A value that must not be recorded.
const SECRET: &str = "tr0ub4dor";

/// `once per body.k within 4h`, with this key.
fn once(key: &str) -> FlowRequest {
    request("once per body.k", Flow::Once { within: SignedDuration::from_hours(4) }, key)
}

/// `limit 2 per 1h`, with this key.
fn limit(key: &str) -> FlowRequest {
    let per = SignedDuration::from_hours(1);
    request("limit per body.k", Flow::Limit { count: 2, per, waits: false }, key)
}

/// The same clause with the value of a sensitive header.
fn sensitive(request: FlowRequest) -> FlowRequest {
    FlowRequest { is_sensitive: true, ..request }
}

/// So many seconds after the start. By the time of day, it is an hour later.
fn time(seconds: i64) -> FlowTime {
    FlowTime { steady: at(seconds), wall: at(seconds.saturating_add(3600)) }
}

/// A state as a line, without the time of its end.
fn line(state: &StateSummary) -> String {
    let StateSummary { rule, limiter, fuse, clause, values, state, frees, .. } = state;
    let named = |what: &str, name: &Option<String>| {
        name.as_ref().map(|name| format!("{what}{name}")).unwrap_or_default()
    };
    let holder = [named("", rule), named("limiter ", limiter), named("fuse ", fuse)].concat();
    let values = values.as_ref().map_or_else(|| "hidden".to_owned(), |all| all.join(", "));
    format!("{holder}: {clause} [{values}]: {state}; {frees}")
}

fn lines(page: &StatePage) -> Vec<String> {
    page.states.iter().map(|one| line(&one.summary())).collect()
}

impl OpenBackend {
    /// Accepts an event and decides it by `s/r`, so many seconds after the start. Returns the outcomes.
    async fn passes(
        &self,
        id: &str,
        seconds: i64,
        requests: Vec<FlowRequest>,
    ) -> Result<Vec<Outcome>, Violation> {
        let event = self.accept(id, seconds).await?;
        Ok(outcomes(&self.ledger.decide(asks(&event, seconds, requests)).await?))
    }

    /// The states after so many seconds.
    async fn states(&self, query: StateQuery, seconds: i64) -> Result<Vec<String>, Violation> {
        let query = StateQuery { limit: 100, ..query };
        let page = self.ledger.states(&query, time(seconds)).await?;
        ensure_eq!((&page.next, page.damaged), (&None, 0), "the rest of the page");
        Ok(lines(&page))
    }
}

/// The states of rules, limiters and fuses are listed with what is in them, in the time of day, until they end. They can be
/// selected by what they belong to, their clause, and a value of their key.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn states_are_listed_in_words(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    opened.passes("a", 0, vec![once("web"), limit("web")]).await?;
    opened.passes("b", 60, vec![limit("db")]).await?;
    let shared = FlowRequest { limiter: Some("api".into()), ..limit("web") };
    opened.passes("c", 60, vec![shared]).await?;
    let event = opened.accept("d", 60).await?;
    let fuse = BlowingFuse {
        name: "healing".into(),
        clauses: vec![BlowClause {
            counts: BlowCounts::Actions,
            count: 20,
            within: SignedDuration::from_mins(10),
        }],
        reset_after: None,
        drops: false,
    };
    let mut counted = asks(&event, 60, Vec::new());
    counted.requires = BTreeMap::from([("s/r".into(), vec!["healing".into()])]);
    counted.blow = vec![fuse];
    opened.ledger.decide(counted).await?;
    opened = opened.crash(fixture).await?;

    let fuse = "fuse healing: blow after 20 actions within 10m []: 1 of 20 actions within 10m; \
                back to 0 at 2026-08-01T11:11:00Z unless more are counted";
    let api = "limiter api: limit 2 per 1h [\"web\"]: 1 of 2 within 1h; \
               1 more may pass; all places are free at 2026-08-01T12:01:00Z";
    let db = "s/r: limit 2 per 1h per body.k [\"db\"]: 1 of 2 within 1h; \
              1 more may pass; all places are free at 2026-08-01T12:01:00Z";
    let web = "s/r: limit 2 per 1h per body.k [\"web\"]: 1 of 2 within 1h; \
               1 more may pass; all places are free at 2026-08-01T12:00:00Z";
    let once = "s/r: once per body.k within 4h [\"web\"]: fired at 2026-08-01T11:00:00Z for event `a`; \
                free again at 2026-08-01T15:00:00Z";
    let all = StateQuery::default;
    let text = |text: &str| Some(text.to_owned());
    for (what, query, seconds, expected) in [
        ("all states", all(), 60, vec![fuse, api, db, web, once]),
        (
            "the states of a rule",
            StateQuery { rule: text("s/r"), ..all() },
            60,
            vec![db, web, once],
        ),
        ("the states of another rule", StateQuery { rule: text("s/"), ..all() }, 60, vec![]),
        ("the states of a limiter", StateQuery { limiter: text("api"), ..all() }, 60, vec![api]),
        ("the states of a fuse", StateQuery { fuse: text("healing"), ..all() }, 60, vec![fuse]),
        ("the limits", StateQuery { clause: text("limit"), ..all() }, 60, vec![api, db, web]),
        ("the states of a text", StateQuery { key: text("db"), ..all() }, 60, vec![db]),
        ("the states of a value", StateQuery { key: text("\"db\""), ..all() }, 60, vec![db]),
        ("those that have not ended", all(), 3600, vec![api, db, once]),
        ("the last one", all(), 3660, vec![once]),
        ("none", all(), 4 * 3600, vec![]),
    ] {
        ensure_eq!(opened.states(query, seconds).await?, expected, "the list of {what}");
    }
    Ok(())
}

/// The pages have every state once, whatever their size is, and another cursor is refused.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn states_are_listed_in_pages(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for number in 0..7 {
        let key = format!("k{number}");
        opened.passes(&key, 0, vec![once(&key), limit(&key)]).await?;
    }
    let rule = || StateQuery { rule: Some("s/r".into()), ..StateQuery::default() };
    let limits = || StateQuery { clause: Some("limit".into()), ..StateQuery::default() };
    for (query, total) in [(StateQuery::default(), 14), (rule(), 14), (limits(), 7)] {
        let expected = opened.states(query.clone(), 1).await?;
        ensure_eq!(expected.len(), total, "the number of states");
        for limit in [1, 3, 7, 14] {
            let (mut found, mut query) = (Vec::new(), StateQuery { limit, ..query.clone() });
            loop {
                let page = opened.ledger.states(&query, time(1)).await?;
                ensure!(page.states.len() <= limit, "a page has more than {limit} states");
                found.extend(lines(&page));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            ensure_eq!(found, expected, "the states in pages of {limit}");
        }
    }
    let wrong = StateQuery { after: Some("not a cursor".into()), limit: 1, ..rule() };
    ensure!(opened.ledger.states(&wrong, time(1)).await.is_err(), "a wrong cursor is accepted");
    Ok(())
}

/// What is in progress is listed with the object whose end frees the place.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_is_in_progress_is_listed_with_its_object(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let flow = Flow::Concurrency { count: 1, otherwise: Overflow::Queue };
    let one = || vec![request("concurrency per body.k", flow, "web")];
    for (id, outcome) in [("a", Outcome::Fired), ("b", Outcome::Waiting)] {
        ensure_eq!(opened.passes(id, 0, one()).await?, [outcome], "the outcome of `{id}`");
    }
    let line = "s/r: concurrency 1 per body.k [\"web\"]: \
                1 of 1 in progress, the oldest for event `a` since 2026-08-01T11:00:00Z; 1 waits; \
                free again when the actions of event `a` end";
    for object in [None, Some("Workflow cicd/wf-x".to_owned())] {
        ensure_eq!(opened.states(StateQuery::default(), 2).await?, [line], "the state");
        let query = StateQuery { limit: 1, ..StateQuery::default() };
        let page = opened.ledger.states(&query, time(2)).await?;
        let in_progress = page.states.into_iter().flat_map(|one| one.in_progress);
        let found: Vec<_> = in_progress.map(|one| (one.id, one.event, one.object)).collect();
        ensure_eq!(
            found,
            [("a".to_owned(), "a".to_owned(), object.clone())],
            "what is in progress"
        );
        if object.is_none() {
            opened.settle("a", started(1)).await?;
        }
    }
    Ok(())
}

/// The value of a sensitive header is neither listed nor recorded with what waits, but the clauses know it again, also after
/// a crash. Nobody can find it by its value.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn sensitive_values_are_not_recorded(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let quiet = Flow::Quiet { length: SignedDuration::from_mins(10), max: None };
    let waits = sensitive(request("quiet per headers.token", quiet, SECRET));
    opened.passes("waits", 0, vec![waits]).await?;
    let record = opened.record(&super::support::push("waits")).await?;
    ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome");
    let recorded = serde_json::to_string(&record.waits).unwrap_or_default();
    ensure!(recorded.contains("quiet"), "the wait is not recorded");
    ensure!(!recorded.contains(SECRET), "a sensitive value is recorded: {recorded}");
    for (id, key, outcome) in [
        ("a", SECRET, Outcome::Fired),
        ("b", SECRET, Outcome::Suppressed),
        ("c", "another", Outcome::Fired),
        ("d", SECRET, Outcome::Suppressed),
    ] {
        opened = opened.crash(fixture).await?;
        let event = opened.accept(id, 60).await?;
        let asked = asks(&event, 60, vec![sensitive(once(key))]);
        let previewed = opened.ledger.preview(&asked).await?.decisions;
        let previewed: Vec<_> = previewed.iter().map(|one| one.outcome).collect();
        ensure_eq!(previewed, [outcome], "the preview of event `{id}`");
        let record = opened.ledger.decide(asked).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of event `{id}`");
    }
    // A value that is not sensitive is another one, even if it is equal.
    ensure_eq!(opened.passes("e", 60, vec![once(SECRET)]).await?, [Outcome::Fired], "the outcome");
    let query = |key: &str| StateQuery { key: Some(key.to_owned()), ..StateQuery::default() };
    ensure_eq!(opened.states(query("another"), 60).await?.len(), 0, "the number of hidden states");
    ensure_eq!(opened.states(query(SECRET), 60).await?.len(), 1, "the number of states");
    let hidden = opened.states(StateQuery::default(), 60).await?;
    let hidden: Vec<_> = hidden.iter().filter(|line| line.contains("[hidden]")).collect();
    ensure_eq!(hidden.len(), 3, "the number of states with a hidden key");
    ensure!(!hidden.iter().any(|line| line.contains(SECRET)), "a sensitive value is listed");
    // The cursors of pages do not depend on the value alone, so that they do not help to guess it.
    let mut query = StateQuery { limit: 1, ..StateQuery::default() };
    loop {
        let page = opened.ledger.states(&query, time(60)).await?;
        let is_hidden = page.states.iter().any(|one| one.subject.values().is_none());
        let Some(next) = page.next else { return Ok(()) };
        let key = StateQuery::cursor(&next)?;
        ensure!(!is_hidden || !key.contains(SECRET), "a sensitive value is in a cursor");
        query.after = Some(next);
    }
}

/// An event ends the wait of a sensitive key.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_event_cancels_by_a_sensitive_value(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let still = || {
        let flow = Flow::Still { length: SignedDuration::from_mins(5) };
        sensitive(request("still per headers.token", flow, SECRET))
    };
    opened.passes("a", 0, vec![still()]).await?;
    let event: EventKey = opened.accept("b", 60).await?;
    let mut cancels = verdict(&event, "b", 60);
    (cancels.decisions, cancels.actions) = (Vec::new(), Vec::new());
    cancels.cancels = vec![Cancellation { rule: "s/r".into(), request: still() }];
    opened.ledger.decide(cancels).await?;
    let record = opened.record(&super::support::push("a")).await?;
    ensure_eq!(outcomes(&record), [Outcome::Cancelled], "the outcome");
    Ok(())
}
