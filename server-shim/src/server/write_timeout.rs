//! An end for connections whose peer has stopped reading.
//!
//! Promises: a connection that has bytes to send and gets none of them off for the whole of the bound
//! fails. One that has nothing to send, as an idle watch, is never touched; one that is slow, but reads,
//! neither.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A connection with a bound on how long bytes may wait to be sent.
pub(super) struct WriteTimeout<S> {
    stream: S,
    bound: Duration,
    /// Kept between waits, so that a slow connection does not make a new one for each.
    timer: Pin<Box<Sleep>>,
    /// Whether bytes wait; since the timer was set.
    waits: bool,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S, bound: Duration) -> Self {
        Self { stream, bound, timer: Box::pin(tokio::time::sleep(bound)), waits: false }
    }

    /// What became of a try to send, or the end of patience.
    fn watch_over(
        &mut self,
        sent: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if sent.is_ready() {
            self.waits = false;
            return sent;
        }
        if !self.waits {
            self.waits = true;
            self.timer.as_mut().reset(Instant::now() + self.bound);
        }
        // Wakes the connection when it is over, which then tries to send once more and comes here.
        self.timer.as_mut().poll(context).map(|()| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read what it asked for"))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_over(sent, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch_over(sent, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    const BOUND: Duration = Duration::from_mins(1);

    fn connection() -> (WriteTimeout<DuplexStream>, DuplexStream) {
        let (server, client) = duplex(4);
        (WriteTimeout::new(server, BOUND), client)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_ends_the_connection() {
        let (mut server, _client) = connection();
        let begin = Instant::now();
        let written = tokio::time::timeout(2 * BOUND, server.write_all(b"too long")).await;
        let error = written.expect("it waits for ever").unwrap_err();
        assert_eq!((error.kind(), begin.elapsed().as_secs()), (io::ErrorKind::TimedOut, BOUND.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_nothing_to_send_stays() {
        let (mut server, mut client) = connection();
        for _ in 0..3 {
            sleep(10 * BOUND).await;
            server.write_all(b"four").await.unwrap();
            let mut four = [0; 4];
            client.read_exact(&mut four).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_stays() {
        let (mut server, mut client) = connection();
        let reader = async {
            for _ in 0..20 {
                sleep(BOUND * 9 / 10).await;
                client.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(server.write_all(&[0; 20]), reader);
        written.unwrap();
    }
}
