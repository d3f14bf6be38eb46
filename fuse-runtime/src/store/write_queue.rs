//! The jobs that wait for the writer, and which of them form the next batch. The oldest large job is followed by small
//! jobs, so that neither kind waits long for the other.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::job::WriteJob;

/// The most jobs in one batch. Beyond about this many, the flush no longer dominates.
pub(super) const MAX_BATCH: usize = 128;
/// The most bytes that the jobs of one batch write, so that none waits long for the others. A single job runs regardless
/// of its size.
const MAX_BATCH_BYTES: usize = 1 << 20;
/// The largest job that counts as small, in bytes.
const MAX_SMALL_BYTES: usize = 64 << 10;

/// The longest time that the writer sleeps. It is woken by what it is sent.
const MAX_PARK: Duration = Duration::from_secs(1);

/// What the writer does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Batch,
    /// The deadline passed without a job.
    Idle,
    /// There are no more jobs, and there will be none.
    Closed,
}

/// The jobs that were received and are not in a batch yet: at most [`MAX_BATCH`] of
/// each size, so that callers wait when the disk is slow.
#[derive(Default)]
pub(super) struct WriteQueue {
    small: VecDeque<Box<dyn WriteJob>>,
    large: VecDeque<Box<dyn WriteJob>>,
}

impl WriteQueue {
    /// Waits for jobs, then fills `batch` with those that fit: the oldest large
    /// job, small jobs, and more large ones if there is space. Waits until `deadline` at most.
    pub(super) fn next_batch(
        &mut self,
        batch: &mut Vec<Box<dyn WriteJob>>,
        jobs: &mut mpsc::Receiver<Box<dyn WriteJob>>,
        deadline: Option<Instant>,
    ) -> Next {
        if self.small.is_empty() && self.large.is_empty() {
            match wait(jobs, deadline) {
                Ok(job) => self.push(job),
                Err(next) => return next,
            }
        }
        while self.small.len().max(self.large.len()) < MAX_BATCH {
            let Ok(job) = jobs.try_recv() else { break };
            self.push(job);
        }
        // At least one large job per batch, or a stream of small ones would starve them.
        let first_large = self.large.pop_front();
        let mut bytes = 0;
        batch.extend(first_large.inspect(|job| bytes = job.bytes()));
        take_fitting(&mut self.small, batch, &mut bytes);
        take_fitting(&mut self.large, batch, &mut bytes);
        Next::Batch
    }

    /// Removes all of them.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Box<dyn WriteJob>> {
        self.small.drain(..).chain(self.large.drain(..))
    }

    fn push(&mut self, job: Box<dyn WriteJob>) {
        if job.bytes() <= MAX_SMALL_BYTES {
            self.small.push_back(job);
        } else {
            self.large.push_back(job);
        }
    }
}

/// Waits for a job. Senders wake this thread, and so does closing the queue.
fn wait(
    jobs: &mut mpsc::Receiver<Box<dyn WriteJob>>,
    deadline: Option<Instant>,
) -> Result<Box<dyn WriteJob>, Next> {
    loop {
        match jobs.try_recv() {
            Ok(job) => return Ok(job),
            Err(TryRecvError::Disconnected) => return Err(Next::Closed),
            Err(TryRecvError::Empty) => {}
        }
        let left = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return Err(Next::Idle),
            left => left.unwrap_or(MAX_PARK),
        };
        thread::park_timeout(left.min(MAX_PARK));
    }
}

fn take_fitting(
    from: &mut VecDeque<Box<dyn WriteJob>>,
    batch: &mut Vec<Box<dyn WriteJob>>,
    bytes: &mut usize,
) {
    while batch.len() < MAX_BATCH
        && let Some(job) = from.front()
        && (batch.is_empty() || bytes.saturating_add(job.bytes()) <= MAX_BATCH_BYTES)
    {
        *bytes = bytes.saturating_add(job.bytes());
        batch.extend(from.pop_front());
    }
}

#[cfg(test)]
mod tests {
    use redb::WriteTransaction;

    use super::*;
    use crate::store::StoreError;

    struct Sized(usize);

    impl WriteJob for Sized {
        fn bytes(&self) -> usize {
            self.0
        }

        fn run(&mut self, _transaction: &WriteTransaction) -> Result<(), StoreError> {
            Ok(())
        }

        fn answer(self: Box<Self>) {}

        fn abandon(self: Box<Self>, _problem: &StoreError) {}
    }

    /// The sizes of the jobs of every transaction, in order.
    fn batches(sizes: &[usize]) -> Vec<Vec<usize>> {
        let (send, mut jobs) = mpsc::channel::<Box<dyn WriteJob>>(1000);
        for size in sizes {
            send.try_send(Box::new(Sized(*size))).unwrap();
        }
        drop(send);
        let mut waiting = WriteQueue::default();
        let mut batch = Vec::new();
        let mut batches = Vec::new();
        while waiting.next_batch(&mut batch, &mut jobs, None) == Next::Batch {
            batches.push(batch.drain(..).map(|job| job.bytes()).collect());
        }
        batches
    }

    #[test]
    fn a_small_job_overtakes_large_ones() {
        let large = 900 << 10;
        assert_eq!(
            batches(&[large, large, large, 10]),
            [vec![large, 10], vec![large], vec![large]]
        );
    }

    #[test]
    fn a_job_runs_regardless_of_its_size() {
        assert_eq!(batches(&[5 << 20, 5 << 20]), [[5 << 20], [5 << 20]]);
    }

    #[test]
    fn a_transaction_has_limits() {
        let most = MAX_SMALL_BYTES;
        let sixteen = batches(&[most; 40]).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sixteen, [16, 16, 8]);
        let many = batches(&[1; 200]).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(many, [128, 72]);
    }
}
