//! The laws of fuses that people switch at run time.

use super::Fixture;
use super::support::{OpenBackend, Violation, at};
use crate::ledger::{FuseHistory, FuseSwitch, MAX_FUSE_SWITCHES, SwitchPosition};

/// A change of a fuse.
pub(super) fn switch(to: SwitchPosition, seconds: i64) -> FuseSwitch {
    FuseSwitch {
        to,
        at: at(seconds),
        since: at(seconds),
        until: None,
        by: "ops".into(),
        reason: format!("reason {seconds}"),
        blown_by: None,
    }
}

/// The changes of a fuse, the newest first.
async fn changes(opened: &OpenBackend, fuse: &str) -> Result<Vec<FuseSwitch>, Violation> {
    let histories = opened.ledger.fuse_switches().await?;
    let history = histories.get(fuse);
    Ok(history.into_iter().flat_map(FuseHistory::newest_first).cloned().collect())
}

/// Each fuse keeps its changes, in the order in which they were made, with all that is known about them.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_last_switch_of_a_fuse_survives_a_crash(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    ensure_eq!(opened.ledger.fuse_switches().await?.len(), 0, "fuses that were switched");
    let off = FuseSwitch { until: Some(at(7200)), ..switch(SwitchPosition::Off, 1) };
    let (on, reset) = (switch(SwitchPosition::On, 2), switch(SwitchPosition::Reset, 0));
    opened.ledger.switch_fuse("a", off.clone()).await?;
    opened.ledger.switch_fuse("a", on.clone()).await?;
    // The clock was set back: the order of the changes counts, not their times.
    opened.ledger.switch_fuse("a", reset.clone()).await?;
    opened.ledger.switch_fuse("b-b", off.clone()).await?;

    let opened = opened.crash(fixture).await?;
    ensure_eq!(changes(&opened, "a").await?, [reset, on, off.clone()], "the changes of `a`");
    ensure_eq!(changes(&opened, "b-b").await?, [off], "the changes of `b-b`");
    Ok(())
}

/// A caller that got no answer repeats its switch, which is recorded once. The oldest changes are forgotten.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_switch_is_recorded_once_and_old_ones_are_forgotten(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let count = i64::try_from(MAX_FUSE_SWITCHES).unwrap_or_default().saturating_add(2);
    for number in 0..count {
        let to = if number % 2 == 0 { SwitchPosition::Off } else { SwitchPosition::On };
        opened.ledger.switch_fuse("a", switch(to, number)).await?;
        opened.ledger.switch_fuse("a", switch(to, number)).await?;
    }
    let kept = changes(&opened, "a").await?;
    ensure_eq!(kept.len(), MAX_FUSE_SWITCHES, "the number of changes that are kept");
    let seconds = |index: usize| kept.get(index).map(|switch| switch.at);
    ensure_eq!(seconds(0), Some(at(count.saturating_sub(1))), "the newest one");
    ensure_eq!(seconds(MAX_FUSE_SWITCHES.saturating_sub(1)), Some(at(2)), "the oldest one");
    Ok(())
}

/// A fuse that was switched off long ago stays off.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn switches_are_not_pruned(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let off = switch(SwitchPosition::Off, 0);
    opened.ledger.switch_fuse("a", off.clone()).await?;
    opened.ledger.prune(at(1_000_000)).await?;
    let opened = opened.crash(fixture).await?;
    ensure_eq!(changes(&opened, "a").await?, [off], "the changes of `a`");
    Ok(())
}
