//! The bytes of a connection. Records when they move, and closes the connection so that the peer can read its last
//! answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::activity::Activity;

/// How many bytes are read from a peer after the last answer.
const MAX_DISCARDED: usize = 4 << 20;

/// Wraps a connection.
///
/// Closing a socket with unread bytes resets the connection, so that a peer that is still sending its body may
/// never see the answer that refuses it. Therefore a shutdown ends the writing, reads and discards bytes for a
/// moment, and then closes.
pub(super) struct Transport<S> {
    stream: S,
    activity: Arc<Activity>,
    linger: Duration,
    closing: Option<Closing>,
}

struct Closing {
    deadline: Pin<Box<Sleep>>,
    discarded: usize,
}

impl<S> Transport<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, linger: Duration) -> Self {
        Self { stream, activity, linger, closing: None }
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(_) => self.activity.wrote(Instant::now()),
            Poll::Pending => self.activity.write_blocked(Instant::now()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Transport<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.read(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            let deadline = Box::pin(tokio::time::sleep(this.linger));
            this.closing = Some(Closing { deadline, discarded: 0 });
        }
        let Some(closing) = &mut this.closing else { return Poll::Ready(Ok(())) };
        let mut chunk = [0; 8 << 10];
        while closing.discarded < MAX_DISCARDED {
            if closing.deadline.as_mut().poll(context).is_ready() {
                break;
            }
            let mut buffer = ReadBuf::new(&mut chunk);
            // The peer has closed, or the connection is broken.
            if ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer)).is_err()
                || buffer.filled().is_empty()
            {
                break;
            }
            closing.discarded = closing.discarded.saturating_add(buffer.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    fn transport(stream: TcpStream, linger: Duration) -> Transport<TcpStream> {
        Transport::new(stream, Arc::new(Activity::new(Instant::now())), linger)
    }

    #[tokio::test]
    async fn a_peer_that_still_sends_reads_its_answer() {
        let (mut client, server) = pair().await;
        let mut server = transport(server, Duration::from_secs(30));
        let serving = tokio::spawn(async move {
            server.write_all(b"too large").await.unwrap();
            server.shutdown().await.unwrap();
        });
        for _ in 0..64 {
            client.write_all(&[0; 16 << 10]).await.unwrap();
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "too large");
        drop(client);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_stays_is_left_after_a_moment() {
        let (_client, server) = pair().await;
        let mut server = transport(server, Duration::from_millis(20));
        let closed = tokio::time::timeout(Duration::from_secs(30), server.shutdown());
        closed.await.unwrap().unwrap();
    }
}
