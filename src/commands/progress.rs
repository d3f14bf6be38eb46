//! Progress of long commands: a bar on a terminal, else a line every few seconds.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// The time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(5);
/// The time between two updates of a bar.
const BETWEEN_UPDATES: Duration = Duration::from_millis(200);

/// The progress of a command, on standard error.
pub(super) struct Progress<'c> {
    bar: ProgressBar,
    /// How long the command has run.
    elapsed: &'c dyn Fn() -> Duration,
    shown: Duration,
}

impl<'c> Progress<'c> {
    pub(super) fn new(elapsed: &'c dyn Fn() -> Duration) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Self { bar, elapsed, shown: Duration::ZERO }
    }

    /// Shows how far the command is, if it is time to.
    pub(super) fn at(&mut self, position: u64, length: u64, message: impl FnOnce() -> String) {
        let is_hidden = self.bar.is_hidden();
        let Some(elapsed) = self.due(is_hidden) else { return };
        if is_hidden {
            output::print_aside(&format!("{} s: {}\n", elapsed.as_secs(), message()));
        } else {
            self.bar.set_length(length);
            self.bar.set_position(position);
            self.bar.set_message(message());
        }
    }

    /// The time that has passed, if it is time to show something.
    fn due(&mut self, is_hidden: bool) -> Option<Duration> {
        let elapsed = (self.elapsed)();
        let between = if is_hidden { BETWEEN_LINES } else { BETWEEN_UPDATES };
        (elapsed >= self.shown + between).then(|| {
            self.shown = elapsed;
            elapsed
        })
    }

    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_line_every_few_seconds() {
        let now = Cell::new(Duration::ZERO);
        let clock = || now.get();
        let mut progress = Progress::new(&clock);
        let mut lines = Vec::new();
        for millis in (0..=16_000).step_by(250) {
            now.set(Duration::from_millis(millis));
            lines.extend(progress.due(true));
        }
        assert_eq!(lines, [5, 10, 15].map(Duration::from_secs));
        let mut bar = Progress::new(&clock);
        now.set(Duration::from_millis(300));
        assert!(bar.due(false).is_some() && bar.due(false).is_none());
        // A command that is done sooner prints nothing.
        assert_eq!(Progress::new(&clock).due(true), None);
    }
}
