//! The signal that asks every task to finish what it does and stop.

use std::sync::Arc;

use tokio::sync::watch;

/// A signal to stop. All clones receive the same signal.
#[derive(Clone, Debug)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
    /// The signal of the whole, if this one is for a part of it.
    whole: Option<Arc<Self>>,
}

impl Shutdown {
    /// The sender that requests the shutdown, and the signal that others wait for.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self { receiver, whole: None })
    }

    /// The same for a part: the returned sender stops only the part, and this signal stops it, too.
    pub(crate) fn part(&self) -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self { receiver, whole: Some(Arc::new(self.clone())) })
    }

    /// Waits until the shutdown is requested. A dropped sender counts as a request.
    pub async fn requested(&self) {
        let Some(whole) = &self.whole else { return requested(&self.receiver).await };
        tokio::select! {
            () = requested(&self.receiver) => {}
            () = Box::pin(whole.requested()) => {}
        }
    }

    /// Whether the shutdown is requested.
    pub fn is_requested(&self) -> bool {
        is_requested(&self.receiver)
            || self.whole.as_ref().is_some_and(|whole| whole.is_requested())
    }
}

async fn requested(receiver: &watch::Receiver<bool>) {
    let mut receiver = receiver.clone();
    // An error means that the sender was dropped.
    let _gone = receiver.wait_for(|stop| *stop).await.is_err();
}

fn is_requested(receiver: &watch::Receiver<bool>) -> bool {
    *receiver.borrow() || receiver.has_changed().is_err()
}
