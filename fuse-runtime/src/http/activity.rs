//! The state of one connection, and its timeouts. No I/O.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Limits;
use super::close_reason::CloseReason;

/// How many more requests of an HTTP/2 connection may end without an answer than with one. Their senders reset them.
const MAX_ABANDONED: usize = 200;

/// The state of one connection. Shared by its task, its requests and the registry.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    closing: Notify,
}

#[derive(Debug)]
struct State {
    is_http2: bool,
    /// Whether a TLS handshake is in progress.
    is_handshaking: bool,
    /// Requests that ended without an answer, less those that were answered.
    abandoned: usize,
    /// Requests whose body is still arriving.
    receiving: usize,
    /// Requests that are complete and not answered yet.
    working: usize,
    /// Requests whose answer is being sent.
    answering: usize,
    /// Since when there is no complete request.
    since: Instant,
    /// When the first byte of the incomplete head arrived.
    head: Option<Instant>,
    /// When the peer last read some of an answer.
    moved: Instant,
    /// Since when a write is blocked.
    blocked: Option<Instant>,
    /// Bytes of answers that the peer has not read.
    unsent: usize,
    closing: Option<CloseReason>,
}

impl State {
    fn is_without_requests(&self) -> bool {
        self.receiving == 0 && self.working == 0 && self.answering == 0
    }

    fn has_complete(&self) -> bool {
        self.working > 0 || self.answering > 0
    }
}

impl Activity {
    pub(super) fn new(now: Instant) -> Self {
        let state = State {
            is_http2: false,
            is_handshaking: false,
            abandoned: 0,
            receiving: 0,
            working: 0,
            answering: 0,
            since: now,
            head: None,
            moved: now,
            blocked: None,
            unsent: 0,
            closing: None,
        };
        Self { state: Mutex::new(state), closing: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection begins with a TLS handshake.
    pub(super) fn begin_handshake(&self) {
        self.lock().is_handshaking = true;
    }

    /// The handshake is complete: a request may follow.
    pub(super) fn end_handshake(&self, now: Instant) {
        let mut state = self.lock();
        state.is_handshaking = false;
        state.since = now;
    }

    /// Bytes arrived.
    pub(super) fn read(&self, now: Instant) {
        let mut state = self.lock();
        // In HTTP/2, frames between requests belong to no request.
        let is_between = state.is_handshaking || state.is_http2;
        if state.is_without_requests() && state.head.is_none() && !is_between {
            state.head = Some(now);
            state.since = now;
        }
    }

    /// Bytes were written.
    pub(super) fn wrote(&self, now: Instant) {
        let mut state = self.lock();
        state.blocked = None;
        // In HTTP/2, they may belong to no answer.
        if !state.is_http2 {
            state.moved = now;
        }
    }

    /// A write has to wait.
    pub(super) fn write_blocked(&self, now: Instant) {
        self.lock().blocked.get_or_insert(now);
    }

    /// A head is complete; `is_complete` says whether the whole request is.
    pub(super) fn begin(&self, is_http2: bool, is_complete: bool, now: Instant) {
        let mut state = self.lock();
        if state.is_without_requests() {
            state.since = now;
        }
        state.is_http2 = is_http2;
        state.head = None;
        match is_complete {
            true => state.working = state.working.saturating_add(1),
            false => state.receiving = state.receiving.saturating_add(1),
        }
    }

    /// A request's body is complete.
    pub(super) fn complete(&self) {
        let mut state = self.lock();
        state.receiving = state.receiving.saturating_sub(1);
        state.working = state.working.saturating_add(1);
    }

    /// A request is answered; `unsent` bytes of the answer's body are to be sent.
    pub(super) fn answer(&self, was_complete: bool, unsent: usize, now: Instant) {
        let mut state = self.lock();
        state.leave(was_complete);
        state.abandoned = state.abandoned.saturating_sub(1);
        state.answering = state.answering.saturating_add(1);
        state.unsent = state.unsent.saturating_add(unsent);
        state.moved = now;
    }

    /// The connection asked for bytes of an answer and got them.
    pub(super) fn sent(&self, bytes: usize, now: Instant) {
        let mut state = self.lock();
        state.unsent = state.unsent.saturating_sub(bytes);
        state.moved = now;
    }

    /// A request ends after its answer.
    pub(super) fn end(&self, unsent: usize, now: Instant) {
        let mut state = self.lock();
        state.answering = state.answering.saturating_sub(1);
        state.unsent = state.unsent.saturating_sub(unsent);
        state.rest(now);
    }

    /// A request ends without an answer. If this has happened too often on an HTTP/2 connection, it is to be closed
    /// for the returned reason.
    pub(super) fn abandon(&self, was_complete: bool, now: Instant) -> Option<CloseReason> {
        let mut state = self.lock();
        state.leave(was_complete);
        state.rest(now);
        state.abandoned = state.abandoned.saturating_add(1);
        (state.is_http2 && state.abandoned > MAX_ABANDONED).then_some(CloseReason::ResetFlood)
    }

    /// Whether there is a request.
    pub(super) fn has_requests(&self) -> bool {
        !self.lock().is_without_requests()
    }

    /// Whether there is a request that has arrived completely.
    pub(super) fn has_complete(&self) -> bool {
        self.lock().has_complete()
    }

    /// How many bytes of answers the peer has not read, and how long ago it last read some.
    pub(super) fn unread(&self, now: Instant) -> (usize, Duration) {
        let state = self.lock();
        (state.unsent, now.saturating_duration_since(state.moved))
    }

    /// How long the connection has had no complete request, or its peer has not read its answers. `None` if that
    /// is not long enough to close it for another one.
    pub(super) fn evictable(&self, limits: &Limits, now: Instant) -> Option<Duration> {
        let state = self.lock();
        if state.closing.is_some() || state.working > 0 {
            return None;
        }
        if state.answering > 0 {
            // Its peer does not read.
            let age = now.saturating_duration_since(state.moved);
            return (age >= limits.body_patience).then_some(age);
        }
        let age = now.saturating_duration_since(state.since);
        let patience = match state.receiving {
            0 if state.is_handshaking => limits.handshake_patience,
            0 => limits.idle_patience,
            _ => limits.body_patience,
        };
        (age >= patience).then_some(age)
    }

    /// Which timeout has passed.
    pub(super) fn overdue(&self, limits: &Limits, now: Instant) -> Option<CloseReason> {
        let state = self.lock();
        let past = |since: Instant, limit| now.saturating_duration_since(since) > limit;
        let is_blocked = state.blocked.is_some_and(|since| past(since, limits.write_timeout));
        if is_blocked || (state.answering > 0 && past(state.moved, limits.write_timeout)) {
            return Some(CloseReason::WriteTimeout);
        }
        if !state.is_without_requests() {
            return None;
        }
        if state.is_handshaking {
            let is_late = past(state.since, limits.handshake_timeout);
            return is_late.then_some(CloseReason::HandshakeTimeout);
        }
        match state.head {
            Some(since) if past(since, limits.head_timeout) => Some(CloseReason::HeadTimeout),
            None if past(state.since, limits.idle_timeout) => Some(CloseReason::Idle),
            _ => None,
        }
    }

    /// Asks the connection's task to close it. `false` where it was asked before.
    pub(super) fn close(&self, reason: CloseReason) -> bool {
        let mut state = self.lock();
        let is_first = state.closing.is_none();
        state.closing.get_or_insert(reason);
        drop(state);
        self.closing.notify_one();
        is_first
    }

    /// Waits until somebody asks to close the connection.
    pub(super) async fn closed(&self) {
        self.closing.notified().await;
    }
}

impl State {
    fn leave(&mut self, was_complete: bool) {
        match was_complete {
            true => self.working = self.working.saturating_sub(1),
            false => self.receiving = self.receiving.saturating_sub(1),
        }
    }

    fn rest(&mut self, now: Instant) {
        if !self.has_complete() {
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_head_has_a_timeout_that_its_bytes_do_not_extend() {
        let (limits, start) = (Limits::default(), Instant::now());
        let activity = Activity::new(start);
        assert_eq!(activity.overdue(&limits, start + seconds(60)), None);
        assert_eq!(activity.overdue(&limits, start + seconds(61)), Some(CloseReason::Idle));
        for second in 5..15 {
            activity.read(start + seconds(second));
        }
        assert_eq!(activity.overdue(&limits, start + seconds(15)), None);
        assert_eq!(activity.overdue(&limits, start + seconds(16)), Some(CloseReason::HeadTimeout));
        activity.begin(false, true, start + seconds(15));
        assert_eq!(activity.overdue(&limits, start + seconds(500)), None);
    }

    #[test]
    fn a_handshake_has_a_timeout_and_patience_of_its_own() {
        let (limits, start) = (Limits::default(), Instant::now());
        let activity = Activity::new(start);
        activity.begin_handshake();
        activity.read(start + seconds(9));
        assert_eq!(activity.overdue(&limits, start + seconds(10)), None);
        let late = activity.overdue(&limits, start + seconds(11));
        assert_eq!(late, Some(CloseReason::HandshakeTimeout));
        let millis = |count| start + Duration::from_millis(count);
        assert_eq!(activity.evictable(&limits, millis(249)), None);
        assert!(activity.evictable(&limits, millis(250)).is_some());
        activity.end_handshake(start + seconds(9));
        assert_eq!(activity.overdue(&limits, start + seconds(69)), None);
        assert_eq!(activity.overdue(&limits, start + seconds(70)), Some(CloseReason::Idle));
    }

    #[test]
    fn requests_that_are_reset_again_and_again_close_an_http2_connection() {
        let now = Instant::now();
        let reset = |activity: &Activity, is_http2| {
            activity.begin(is_http2, true, now);
            activity.abandon(true, now)
        };
        let (attacker, sender) = (Activity::new(now), Activity::new(now));
        for _ in 0..MAX_ABANDONED {
            assert_eq!(reset(&attacker, true), None);
        }
        assert_eq!(reset(&attacker, true), Some(CloseReason::ResetFlood));
        for _ in 0..2 * MAX_ABANDONED {
            assert_eq!(reset(&sender, true), None);
            sender.begin(true, true, now);
            sender.answer(true, 0, now);
            sender.end(0, now);
        }
    }

    #[test]
    fn what_is_complete_is_not_evicted() {
        let (limits, start) = (Limits::default(), Instant::now());
        let activity = Activity::new(start);
        assert_eq!(activity.evictable(&limits, start + Duration::from_millis(49)), None);
        assert!(activity.evictable(&limits, start + Duration::from_millis(50)).is_some());
        activity.begin(false, false, start + seconds(1));
        // A body may take longer than a head.
        assert_eq!(activity.evictable(&limits, start + seconds(2)), None);
        assert!(activity.evictable(&limits, start + seconds(3)).is_some());
        activity.complete();
        assert_eq!(activity.evictable(&limits, start + seconds(9)), None);
        activity.answer(true, 5, start + seconds(9));
        assert_eq!(activity.evictable(&limits, start + seconds(10)), None);
        activity.end(5, start + seconds(10));
        assert_eq!(activity.evictable(&limits, start + seconds(10)), None);
        assert!(activity.evictable(&limits, start + seconds(11)).is_some());
    }

    #[test]
    fn an_answer_that_nobody_reads_is_overdue() {
        let (limits, start) = (Limits::default(), Instant::now());
        for is_http2 in [false, true] {
            let activity = Activity::new(start);
            activity.begin(is_http2, true, start);
            activity.answer(true, 100, start);
            activity.sent(20, start + seconds(5));
            assert_eq!(activity.unread(start + seconds(9)), (80, seconds(4)));
            assert_eq!(activity.overdue(&limits, start + seconds(35)), None);
            assert_eq!(
                activity.overdue(&limits, start + seconds(36)),
                Some(CloseReason::WriteTimeout)
            );
            // With HTTP/2, what is written may be a ping.
            activity.wrote(start + seconds(30));
            let late = activity.overdue(&limits, start + seconds(36));
            assert_eq!(late.is_some(), is_http2);
        }
        let activity = Activity::new(start);
        activity.write_blocked(start);
        activity.write_blocked(start + seconds(20));
        assert_eq!(activity.overdue(&limits, start + seconds(31)), Some(CloseReason::WriteTimeout));
        activity.wrote(start + seconds(31));
        assert_eq!(activity.overdue(&limits, start + seconds(31)), None);
    }
}
