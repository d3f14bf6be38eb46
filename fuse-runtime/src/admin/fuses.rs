//! `/fuses`: the fuses of the rules, where their values come from, and who switched them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fuse_rules::literals::parse_duration;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::Requester;
use super::reason::MAX_REASON;
use super::{Admin, failed, ledger_failed};
use crate::clock::Clock;
use crate::config::variable;
use crate::fuses::{FuseOrigin, on_or_off};
use crate::ledger::{FuseHistories, FuseHistory, FuseSwitch, SwitchPosition};
use crate::switchboard::{MAX_SWITCH, SwitchError, SwitchRequest, lasting};

#[derive(Serialize)]
struct FuseLine<'r> {
    fuse: &'r str,
    on: bool,
    /// Where the value comes from.
    origin: &'static str,
    /// The switch in effect, or that the fuse blew.
    switched: Option<SwitchLine<'r>>,
    /// The value in the rules.
    default: bool,
    /// What happens to pending actions while it is off.
    pending: &'static str,
    /// When it blows, as in `blow after 20 actions within 10m`.
    blow: Vec<String>,
    /// How long after it blew it closes by itself, as in `1h`.
    reset_after: Option<String>,
    /// The environment variable that sets it.
    variable: String,
    doc: Option<&'r str>,
    /// The rules that require it.
    rules: Vec<&'r str>,
    /// Its last switches, the newest first.
    changes: Vec<SwitchLine<'r>>,
}

/// A change of a fuse.
#[derive(Serialize)]
struct SwitchLine<'r> {
    to: SwitchPosition,
    at: Timestamp,
    by: &'r str,
    reason: &'r str,
    /// How long it lasts, as in `2h`.
    #[serde(rename = "for")]
    lasts: Option<String>,
    /// When it ends by itself, unless a later switch replaces it.
    until: Option<Timestamp>,
}

impl<'r> SwitchLine<'r> {
    fn new(switch: &'r FuseSwitch, clock: &Clock) -> Self {
        Self {
            to: switch.to,
            at: switch.at,
            by: &switch.by,
            reason: &switch.reason,
            lasts: switch.lasts().map(lasting),
            until: end(switch, clock),
        }
    }
}

/// When a switch ends, by the time of day.
fn end(switch: &FuseSwitch, clock: &Clock) -> Option<Timestamp> {
    let left = switch.until?.duration_since(clock.steady());
    Some(clock.now().checked_add(left).unwrap_or(Timestamp::MAX))
}

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Response {
    let histories = admin.switchboard.histories().await;
    answer(admin, move |admin| json!({ "fuses": lines(admin, &histories, |_| true) })).await
}

/// Off the async threads: there may be thousands of rules.
async fn answer(
    admin: Arc<Admin>,
    value: impl FnOnce(&Admin) -> Value + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(move || value(&admin)).await {
        Ok(value) => Json(value).into_response(),
        Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "listing the fuses failed inside fuse"),
    }
}

/// The lines of the fuses with certain names.
fn lines(admin: &Admin, histories: &FuseHistories, is_listed: impl Fn(&str) -> bool) -> Vec<Value> {
    let generation = admin.active.get();
    let mut rules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in generation.ruleset.rules() {
        for fuse in rule.requires {
            rules.entry(fuse).or_default().push(rule.name);
        }
    }
    let declared = generation.ruleset.fuses().filter(|fuse| is_listed(fuse.name));
    let lines = declared.filter_map(|fuse| {
        let state = generation.states.get(fuse.name)?;
        let changes = histories.get(fuse.name).into_iter().flat_map(FuseHistory::newest_first);
        let line = FuseLine {
            fuse: fuse.name,
            on: state.on,
            origin: state.origin.as_str(),
            switched: match &state.origin {
                FuseOrigin::Switched(switch) => Some(SwitchLine::new(switch, &admin.clock)),
                _ => None,
            },
            default: fuse.default_on,
            pending: fuse.pending.as_str(),
            blow: fuse.blow().map(|clause| clause.to_string()).collect(),
            reset_after: fuse.reset_after.map(lasting),
            variable: variable(fuse.name),
            doc: fuse.doc,
            rules: rules.remove(fuse.name).unwrap_or_default(),
            changes: changes.map(|switch| SwitchLine::new(switch, &admin.clock)).collect(),
        };
        Some(json!(line))
    });
    lines.collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    to: SwitchPosition,
    /// How long, as in `2h`.
    #[serde(default, rename = "for")]
    lasts: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Switches a fuse.
pub(super) async fn switch(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Requester>,
    Path(fuse): Path<String>,
    body: Bytes,
) -> Response {
    let Asked { to, lasts, reason } = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => {
            let why = format!("the body is not a switch as in {{\"to\": \"off\"}}: {error}");
            return failed(StatusCode::BAD_REQUEST, &why);
        }
    };
    if to == SwitchPosition::Blown {
        return failed(StatusCode::BAD_REQUEST, "a fuse blows by itself; switch it `off` instead");
    }
    let lasts = match lasts.as_deref().map(|text| duration(text, to)).transpose() {
        Ok(lasts) => lasts,
        Err(why) => return failed(StatusCode::BAD_REQUEST, &why),
    };
    let (by, reason) = (caller.name().to_owned(), reason.chars().take(MAX_REASON).collect());
    let request = SwitchRequest { fuse: fuse.clone(), to, lasts, by, reason };
    // It runs to its end even if the client has gone: what is recorded must be in effect.
    let switchboard = Arc::clone(&admin.switchboard);
    let switched = tokio::spawn(async move { switchboard.switch(request).await });
    match switched.await {
        Ok(Ok(())) => {
            let histories = admin.switchboard.histories().await;
            answer(admin, move |admin| json!(lines(admin, &histories, |name| name == fuse).first()))
                .await
        }
        Ok(Err(SwitchError::Ledger(error))) => ledger_failed(&error),
        Ok(Err(error @ SwitchError::Unknown { .. })) => {
            failed(StatusCode::NOT_FOUND, &error.to_string())
        }
        Ok(Err(error @ SwitchError::Fixed { .. })) => {
            failed(StatusCode::CONFLICT, &error.to_string())
        }
        Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "switching failed inside fuse"),
    }
}

/// How long a switch lasts.
fn duration(text: &str, to: SwitchPosition) -> Result<SignedDuration, String> {
    if to == SwitchPosition::Reset {
        return Err("`for` does not apply to `reset`, which ends a switch: leave it out".into());
    }
    let duration = parse_duration(text).ok_or_else(|| {
        format!("`for` is `{text}`, which is not a duration; write one as in `2h`")
    })?;
    match duration > SignedDuration::ZERO && duration <= MAX_SWITCH {
        true => Ok(duration),
        false => Err(format!("`for` is `{text}`; it must be more than 0 and at most 10 years")),
    }
}

/// The fuses that are switched at run time, for `/readyz`.
pub(super) fn warnings(admin: &Admin) -> Vec<String> {
    let generation = admin.active.get();
    let switched = generation.states.iter().filter_map(|(fuse, state)| {
        let FuseOrigin::Switched(switch) = &state.origin else { return None };
        let until = end(switch, &admin.clock).map(|end| format!(" until {end:.0}"));
        let (until, on) = (until.unwrap_or_default(), on_or_off(state.on));
        if switch.to == SwitchPosition::Blown {
            // Why names rules and events.
            return Some(format!("the fuse `{fuse}` blew at {:.0}: it is off{until}", switch.at));
        }
        // Who did that, and why, is for those who have a token: `/fuses` shows it.
        Some(format!("the fuse `{fuse}` is switched {on} since {:.0}{until}", switch.at))
    });
    switched.collect()
}
