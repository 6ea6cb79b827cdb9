//! How long a connection is waited for: for the rest of a request that has begun, for a reader that does not take what it asked
//! for, and for one that neither asks nor is told anything. Without this a silent peer would hold its connection for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// From the first byte of a request to the first byte of its answer. Longer than one request may take.
const ASKING: Duration = Duration::from_secs(45);
/// For the peer to take some of what is sent.
const TAKING: Duration = Duration::from_secs(30);
/// Without a byte either way.
const SILENT: Duration = Duration::from_mins(2);

/// Listens as the one inside does, and gives connections with little patience.
pub struct Patient<L>(pub L);

impl<L: Listener> Listener for Patient<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, address) = self.0.accept().await;
        (Connection::new(io), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For anything at all.
    Idle,
    /// For the rest of a request, or for our answer.
    Asked,
    /// For the peer to take more.
    Taking,
}

/// A connection that fails when it is waited for too long.
pub struct Connection<I> {
    io: I,
    waiting: Waiting,
    end: Pin<Box<Sleep>>,
}

impl<I: Unpin> Connection<I> {
    fn new(io: I) -> Self {
        Self { io, waiting: Waiting::Idle, end: Box::pin(sleep_until(Instant::now() + SILENT)) }
    }

    fn wait(&mut self, waiting: Waiting) {
        let patience = match waiting {
            Waiting::Idle => SILENT,
            Waiting::Asked => ASKING,
            Waiting::Taking => TAKING,
        };
        self.waiting = waiting;
        self.end.as_mut().reset(Instant::now() + patience);
    }

    fn check<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.end.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn wrote<T>(&mut self, context: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.wait(Waiting::Idle);
            return sent;
        }
        if self.waiting != Waiting::Taking {
            self.wait(Waiting::Taking);
        }
        self.check(context)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Connection<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if read.is_pending() {
            return self.check(context);
        }
        // The time of a request begins with its first byte; more of it gives no more time.
        if buffer.filled().len() > before && self.waiting == Waiting::Idle {
            self.wait(Waiting::Asked);
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Connection<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.io).poll_write(context, bytes);
        self.wrote(context, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.wrote(context, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_trickles_in_is_given_up() {
        let (mut peer, io) = duplex(64);
        let trickling = tokio::spawn(async move {
            while peer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        let began = Instant::now();
        let mut connection = Connection::new(io);
        let mut read = Vec::new();
        let error = connection.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, ASKING));
        drop(connection);
        trickling.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_one_that_takes_slowly_is_not() {
        let (mut peer, io) = duplex(8);
        let mut connection = Connection::new(io);
        let slow = tokio::spawn(async move {
            let mut taken = [0; 4];
            for _ in 0..10 {
                tokio::time::sleep(TAKING / 2).await;
                peer.read_exact(&mut taken).await.unwrap();
            }
            peer
        });
        connection.write_all(&[7; 48]).await.unwrap();
        let _peer = slow.await.unwrap();
        let began = Instant::now();
        let error = connection.write_all(&[7; 48]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() <= TAKING + Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_given_up() {
        let (_peer, io) = duplex(8);
        let began = Instant::now();
        let error = Connection::new(io).read_u8().await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, SILENT));
    }
}
