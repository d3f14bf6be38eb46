//! The signal that asks every task to finish what it does and stop.

use tokio::sync::watch;

/// A signal to stop. All clones receive the same signal.
#[derive(Clone, Debug)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
}

impl Shutdown {
    /// The sender that requests the shutdown, and the signal that others wait for.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self { receiver })
    }

    /// Waits until the shutdown is requested. A dropped sender counts as a request.
    pub async fn requested(&self) {
        let mut receiver = self.receiver.clone();
        // An error means that the sender was dropped.
        let _gone = receiver.wait_for(|stop| *stop).await.is_err();
    }

    /// Whether the shutdown is requested.
    pub fn is_requested(&self) -> bool {
        *self.receiver.borrow() || self.receiver.has_changed().is_err()
    }
}
