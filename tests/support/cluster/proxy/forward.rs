//! Forwarding one request, with what is to fail about it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, RETRY_AFTER, TRANSFER_ENCODING};
use hyper::{Request, Response};
use kube::client::Body;
use serde_json::json;
use tokio::sync::watch;

use super::{Fault, Seen, State};

/// Ends the connection: a service's, or a body's error does.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}

type Answer = Response<UnsyncBoxBody<Bytes, Cut>>;

pub(super) async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Result<Answer, Cut> {
    let (seen, fault) = state.decide(Seen::new(request.method(), request.uri()));
    match fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::Busy(seconds)) => return Ok(refuse(429, Some(seconds))),
        Some(Fault::Status(status)) => return Ok(refuse(status, None)),
        Some(Fault::CutBefore) => return Err(Cut),
        Some(Fault::CutAfter | Fault::CutWithin) | None => {}
    }
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    strip(&mut parts.headers);
    let forwarded = Request::from_parts(parts, Body::from(body));
    // Where there is no API server, there is no connection either.
    let response = state.upstream.send(forwarded).await.map_err(|_| Cut)?;
    let (mut parts, body) = response.into_parts();
    let watches = seen.verb == "watch";
    if fault == Some(Fault::CutAfter) {
        // A watch is begun with its head; all else is done when its answer is whole.
        if !watches {
            body.collect().await.map_err(|_| Cut)?;
        }
        return Err(Cut);
    }
    strip(&mut parts.headers);
    let passing = Passing {
        body,
        watch: watches.then(|| Watch::new(state)),
        next: if fault == Some(Fault::CutWithin) { Next::Half } else { Next::Frame },
    };
    let stream = unfold(passing, Passing::next);
    Ok(Response::from_parts(parts, StreamBody::new(stream).boxed_unsync()))
}

/// What is about one connection is not about the other. The length is told anew, or not at all,
/// as the answer comes in pieces.
fn strip(headers: &mut HeaderMap) {
    for name in [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

fn refuse(status: u16, retry_after: Option<u32>) -> Answer {
    let body = json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "reason": if status == 429 { "TooManyRequests" } else { "InternalError" },
        "message": "refused on purpose",
        "code": status,
    });
    let mut response =
        Response::builder().status(status).header("content-type", "application/json");
    if let Some(seconds) = retry_after {
        response = response.header(RETRY_AFTER, seconds);
    }
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never: Infallible| match never {});
    response.body(body.boxed_unsync()).unwrap()
}

/// An answer's body on its way.
struct Passing {
    body: Body,
    watch: Option<Watch>,
    next: Next,
}

enum Next {
    Frame,
    /// Half of the next frame, and no more.
    Half,
    Cut,
    Nothing,
}

impl Passing {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Cut>, Self)> {
        match self.next {
            Next::Frame | Next::Half => {}
            Next::Cut => {
                // What was passed on already is sent whenever there is nothing more for now.
                tokio::task::yield_now().await;
                self.next = Next::Nothing;
                return Some((Err(Cut), self));
            }
            Next::Nothing => return None,
        }
        let frame = match &mut self.watch {
            None => self.body.frame().await,
            Some(watch) => tokio::select! {
                frame = self.body.frame() => frame,
                () = watch.cut() => Some(Err(kube::Error::Service(Box::new(Cut)))),
            },
        };
        match (frame, &self.next) {
            (Some(Ok(frame)), Next::Half) => {
                let data = frame.into_data().unwrap_or_default();
                self.next = Next::Cut;
                Some((Ok(Frame::data(data.slice(..data.len() / 2))), self))
            }
            (Some(Ok(frame)), _) => Some((Ok(frame), self)),
            (None, Next::Frame) => None,
            (Some(Err(_)) | None, _) => {
                self.next = Next::Nothing;
                Some((Err(Cut), self))
            }
        }
    }
}

/// A watch that is open.
struct Watch {
    state: Arc<State>,
    cuts: watch::Receiver<u64>,
}

impl Watch {
    fn new(state: &Arc<State>) -> Self {
        state.watches.fetch_add(1, Ordering::SeqCst);
        Self { state: Arc::clone(state), cuts: state.cuts.subscribe() }
    }

    async fn cut(&mut self) {
        // The sender lives as long as the state, which this holds.
        let _changed = self.cuts.changed().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.watches.fetch_sub(1, Ordering::SeqCst);
    }
}
