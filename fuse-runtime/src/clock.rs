//! The runtime's clock, which tests set.

use std::sync::Arc;

use jiff::Timestamp;

/// Tells the time. Everything in the runtime that needs the time asks this.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn system() -> Clock {
    Arc::new(Timestamp::now)
}
