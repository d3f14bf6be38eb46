//! Switches fuses at run time: records each switch in the ledger, and then puts it into effect.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fuse_rules::diagnostic::nearest;
use fuse_rules::literals::show_duration;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::config::variable;
use crate::fuses::{FuseOrigin, FuseState, on_or_off};
use crate::generation::{ActiveGeneration, Generation};
use crate::ledger::{FuseHistories, FuseSwitch, Ledger, LedgerError, SwitchPosition};
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// The longest time after which a switch ends by itself: ten years.
pub(crate) const MAX_SWITCH: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// How often the switches are read again: another process may share the ledger, and a write whose answer was an error
/// may have been kept.
const READ_EVERY: Duration = Duration::from_secs(2);

/// Switches fuses, and lets switches end.
pub(crate) struct Switchboard {
    ledger: Arc<dyn Ledger>,
    active: ActiveGeneration,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// The switches that were read last. Locked while they are read, so that an older reading never replaces a newer
    /// one.
    known: tokio::sync::Mutex<FuseHistories>,
}

/// Who wants to switch a fuse, and how.
pub(crate) struct SwitchRequest {
    pub(crate) fuse: String,
    pub(crate) to: SwitchPosition,
    /// How long, if it ends by itself.
    pub(crate) lasts: Option<SignedDuration>,
    pub(crate) by: String,
    pub(crate) reason: String,
}

/// Why a fuse cannot be switched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwitchError {
    #[error("the rules declare no fuse `{fuse}`{hint}")]
    Unknown { fuse: String, hint: String },
    #[error(
        "`{variable}` in the environment of fuse sets the fuse `{fuse}` to {value}, which no switch can change: remove \
         the variable and restart fuse"
    )]
    Fixed { fuse: String, variable: String, value: &'static str },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Switchboard {
    /// A switchboard whose switches are not read yet.
    pub(crate) fn new(
        ledger: Arc<dyn Ledger>,
        active: ActiveGeneration,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self { ledger, active, metrics, clock, known: tokio::sync::Mutex::default() }
    }

    /// Switches a fuse. It is durable and in effect when this returns.
    pub(crate) async fn switch(&self, request: SwitchRequest) -> Result<(), SwitchError> {
        let SwitchRequest { fuse, to, lasts, by, reason } = request;
        let generation = self.active.get();
        let Some(state) = generation.states.get(&fuse) else {
            return Err(unknown(fuse, &generation));
        };
        // A reset may remove a switch that was made before the variable was set.
        if state.origin == FuseOrigin::Environment && to != SwitchPosition::Reset {
            let (variable, value) = (variable(&fuse), on_or_off(state.on));
            return Err(SwitchError::Fixed { fuse, variable, value });
        }
        let since = self.clock.steady();
        let until = lasts.map(|lasts| since.checked_add(lasts).unwrap_or(Timestamp::MAX));
        let switch =
            FuseSwitch { to, at: self.clock.now(), since, until, by, reason, blown_by: None };
        let mut known = self.known.lock().await;
        self.ledger.switch_fuse(&fuse, switch.clone()).await?;
        match self.ledger.fuse_switches().await {
            Ok(read) => *known = read,
            // The switch is recorded, so it takes effect. `keep` logs why the ledger cannot be read.
            Err(_) => {
                known.entry(fuse).or_default().record(switch);
            }
        }
        self.apply(&known);
        Ok(())
    }

    /// Reads the switches, and puts them into effect.
    pub(crate) async fn read(&self) -> Result<(), LedgerError> {
        let mut known = self.known.lock().await;
        let read = self.ledger.fuse_switches().await;
        let result = read.map(|read| *known = read);
        // Known switches may have ended, even if the ledger cannot be read.
        self.apply(&known);
        result
    }

    /// Puts fuses that blew into effect.
    pub(crate) async fn blown(&self) {
        if let Err(error) = self.read().await {
            // Until then, the ledger gates what it decides.
            tracing::error!(%error, "cannot read which fuse blew; retrying");
        }
    }

    /// The last changes of all fuses.
    pub(crate) async fn histories(&self) -> FuseHistories {
        self.known.lock().await.clone()
    }

    /// Keeps what is in effect up to date, until the shutdown is requested.
    pub(crate) async fn keep(self: Arc<Self>, stop: Shutdown) {
        static LIMIT: LogLimit = LogLimit::new();
        loop {
            let wait = self.until_next_end().await.map_or(READ_EVERY, |end| end.min(READ_EVERY));
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(wait) => {}
            }
            match self.read().await {
                Ok(()) => {}
                Err(LedgerError::Closed) => return,
                Err(error) => {
                    if let Some(left_out) = LIMIT.pass() {
                        tracing::error!(
                            %error,
                            left_out,
                            "cannot read the switches of fuses; retrying"
                        );
                    }
                }
            }
        }
    }

    async fn until_next_end(&self) -> Option<Duration> {
        let (now, known) = (self.clock.steady(), self.known.lock().await);
        let end = known.values().filter_map(|history| history.next_end(now)).min()?;
        Some(end.duration_since(now).try_into().unwrap_or_default())
    }

    fn apply(&self, histories: &FuseHistories) {
        let now = self.clock.steady();
        if let Some((former, next)) = self.active.switch(histories, now) {
            self.metrics.fuse_values(&next);
            log_changes(&former.states, &next.states, histories);
        }
    }
}

fn unknown(fuse: String, generation: &Generation) -> SwitchError {
    let declared = || generation.states.keys().map(String::as_str);
    let hint = match nearest(&fuse, declared().collect::<Vec<_>>()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if generation.states.is_empty() => String::new(),
        None => format!("; declared are {}", declared().collect::<Vec<_>>().join(", ")),
    };
    SwitchError::Unknown { fuse, hint }
}

/// Logs each fuse that was switched, or whose switch was removed or has ended.
fn log_changes(
    former: &BTreeMap<String, FuseState>,
    next: &BTreeMap<String, FuseState>,
    histories: &FuseHistories,
) {
    for (fuse, state) in next {
        let before = former.get(fuse).map(|state| &state.origin);
        if before == Some(&state.origin) {
            continue;
        }
        let on = state.on;
        match &state.origin {
            FuseOrigin::Switched(switch) => {
                let lasts = switch.lasts().map(lasting).unwrap_or_default();
                let FuseSwitch { at, by, reason, .. } = switch;
                if switch.to == SwitchPosition::Blown {
                    tracing::warn!(fuse, on, %at, lasts, reason, "a fuse blew");
                } else {
                    tracing::warn!(fuse, on, by, %at, lasts, reason, "a fuse is switched");
                }
            }
            origin => {
                let origin = origin.as_str();
                let last = histories.get(fuse).and_then(|history| history.newest_first().next());
                match last.map(|last| (last.to, last)) {
                    Some((SwitchPosition::Reset, FuseSwitch { by, reason, .. })) => {
                        tracing::warn!(fuse, on, origin, by, reason, "a switched fuse is reset");
                    }
                    Some((SwitchPosition::Blown, _)) => {
                        tracing::warn!(
                            fuse,
                            on,
                            origin,
                            "a fuse that blew is reset after its time"
                        );
                    }
                    _ => tracing::warn!(fuse, on, origin, "the switch of a fuse has ended"),
                }
            }
        }
    }
}

/// A duration as in rules.
pub(crate) fn lasting(duration: SignedDuration) -> String {
    show_duration(u64::try_from(duration.as_millis()).unwrap_or_default())
}
