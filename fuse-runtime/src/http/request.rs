//! One request in progress: its share of the budget, its body as it arrives, and its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use super::Server;
use super::activity::Activity;
use super::budget::NoRoom;
use crate::shutdown::Shutdown;

/// How many bytes of an answer a connection gets at a time.
const PIECE: usize = 16 << 10;

/// A request in progress. Its bytes count in the budget until it is answered or this is dropped: keep it as long
/// as the body is in memory.
pub(crate) struct InWork {
    server: Server,
    id: u64,
    activity: Arc<Activity>,
    stage: AtomicU8,
    unsent: AtomicUsize,
}

const RECEIVING: u8 = 0;
const WORKING: u8 = 1;
const ANSWERING: u8 = 2;

/// Why a body did not arrive. It is the source of the error of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// There is no room for it.
    #[error("too many bytes of other requests are in memory; send it again later")]
    NoRoom,
    /// The request was aborted to make room for others.
    #[error("the body arrived too slowly, and others needed its room")]
    GivenUp,
    /// It did not arrive in time.
    #[error("the body did not arrive within {0} s")]
    TimedOut(u64),
    /// The process stops.
    #[error("fuse is stopping; send it again later")]
    Stopping,
}

impl BodyError {
    /// This reason in an error of a request's body, if it has one.
    pub(crate) fn find(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(why) = error.downcast_ref() {
                return Some(*why);
            }
            next = error.source();
        }
        None
    }
}

impl From<NoRoom> for BodyError {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::Full => Self::NoRoom,
            NoRoom::GivenUp => Self::GivenUp,
        }
    }
}

impl InWork {
    /// Begins a request whose head takes so many bytes.
    pub(super) fn begin(
        server: &Server,
        activity: &Arc<Activity>,
        is_http2: bool,
        head: usize,
        body: Incoming,
        stop: Shutdown,
    ) -> Result<(Arc<Self>, Body), BodyError> {
        let now = Instant::now();
        let is_complete = body.is_end_stream();
        let (id, given_up) = server.budget().begin(activity.has_requests(), now)?;
        activity.begin(is_http2, is_complete, now);
        let request = Arc::new(Self {
            server: server.clone(),
            id,
            activity: Arc::clone(activity),
            stage: AtomicU8::new(if is_complete { WORKING } else { RECEIVING }),
            unsent: AtomicUsize::new(0),
        });
        request.take(head)?;
        if is_complete {
            server.budget().complete(id);
            return Ok((request, Body::empty()));
        }
        let timeout = server.limits().body_timeout;
        let interrupted: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
            tokio::select! {
                () = given_up.notified() => BodyError::GivenUp,
                () = stop.requested() => BodyError::Stopping,
                () = tokio::time::sleep(timeout) => BodyError::TimedOut(timeout.as_secs()),
            }
        });
        let interrupted = Some(interrupted);
        let arriving = Arriving { body, request: Arc::clone(&request), interrupted };
        Ok((request, Body::new(arriving)))
    }

    /// Reserves bytes of the budget for this request until it ends.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), BodyError> {
        let mut budget = self.server.budget();
        let taken = budget.take(self.id, bytes, Instant::now());
        self.server.metrics().buffered(budget.used());
        Ok(taken?)
    }

    /// Gives back the bytes of a request whose body is no longer in memory, before it is answered.
    pub(crate) fn release(&self) {
        let mut budget = self.server.budget();
        budget.release(self.id);
        self.server.metrics().buffered(budget.used());
    }

    /// Waits for a turn to write a body of this size to the store.
    pub(crate) async fn turn_to_store(
        &self,
        bytes: usize,
    ) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.server.turn_to_store(bytes).await
    }

    /// Waits for a turn to decompress a body.
    pub(crate) async fn turn_to_decompress(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.server.turn_to_decompress().await
    }

    fn complete(&self) -> Result<(), BodyError> {
        if self.stage.compare_exchange(RECEIVING, WORKING, ORDER, ORDER).is_ok() {
            self.activity.complete();
            if !self.server.budget().complete(self.id) {
                return Err(BodyError::GivenUp);
            }
        }
        Ok(())
    }

    /// The request is answered by a body of so many bytes. Its own bytes are free now, even if the peer reads the
    /// answer slowly.
    pub(super) fn answer(&self, bytes: usize) {
        self.end();
        self.unsent.store(bytes, ORDER);
        let stage = self.stage.swap(ANSWERING, ORDER);
        self.activity.answer(stage == WORKING, bytes, Instant::now());
    }

    fn end(&self) {
        let mut budget = self.server.budget();
        budget.end(self.id);
        self.server.metrics().buffered(budget.used());
    }

    fn sent(&self, bytes: usize) {
        let before = self.unsent.load(ORDER);
        let bytes = bytes.min(before);
        self.unsent.store(before - bytes, ORDER);
        self.activity.sent(bytes, Instant::now());
    }
}

const ORDER: Ordering = Ordering::SeqCst;

impl Drop for InWork {
    fn drop(&mut self) {
        self.end();
        let now = Instant::now();
        match self.stage.load(ORDER) {
            ANSWERING => self.activity.end(self.unsent.load(ORDER), now),
            stage => {
                if let Some(reason) = self.activity.abandon(stage == WORKING, now)
                    && self.activity.close(reason)
                {
                    self.server.closed(reason);
                }
            }
        }
    }
}

/// A request's body as it arrives. Each of its bytes is counted in the budget.
struct Arriving {
    body: Incoming,
    request: Arc<InWork>,
    /// `None` once it has interrupted the body.
    interrupted: Option<Pin<Box<dyn Future<Output = BodyError> + Send>>>,
}

impl hyper::body::Body for Arriving {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let Some(interrupted) = &mut self.interrupted else { return Poll::Ready(None) };
        if let Poll::Ready(why) = interrupted.as_mut().poll(context) {
            self.interrupted = None;
            return Poll::Ready(Some(Err(why.into())));
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => {
                return Poll::Ready(self.request.complete().err().map(|why| Err(why.into())));
            }
        };
        let taken = frame.data_ref().map_or(Ok(()), |data| self.request.take(data.len()));
        let taken = taken.and_then(|()| match self.body.is_end_stream() {
            true => self.request.complete(),
            false => Ok(()),
        });
        Poll::Ready(Some(taken.map(|()| frame).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body in pieces, which shows how much of it the peer has read. The request is in progress until this
/// is dropped.
pub(super) struct Answer {
    body: Body,
    rest: Bytes,
    request: Option<Arc<InWork>>,
}

impl Answer {
    pub(super) fn new(body: Body, request: Option<Arc<InWork>>) -> Self {
        Self { body, rest: Bytes::new(), request }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        if let Some(request) = &self.request {
            request.sent(length);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
