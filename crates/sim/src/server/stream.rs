//! The bytes of one connection: TCP, memory, TLS or a stream of the caller's, and how writes are
//! split.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::script::Writes;

/// A connection below the WebSocket.
pub(super) struct Stream {
    carrier: Carrier,
    writes: Writes,
    rng: fastrand::Rng,
    /// Whether the reader had its turn since the last piece was written.
    has_paused: bool,
}

/// What carries the bytes.
enum Carrier {
    /// A stream of the caller's.
    Given(Box<dyn Duplex>),
    /// Reset, or lost in a TLS handshake that failed.
    Gone,
    Plain(Plain),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<Plain>>),
}

/// A stream of the server's own, without TLS.
enum Plain {
    Memory(DuplexStream),
    Tcp(TcpStream),
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Stream {
    pub(super) fn tcp(stream: TcpStream) -> Self {
        Self::new(Carrier::Plain(Plain::Tcp(stream)))
    }

    pub(super) fn memory(stream: DuplexStream) -> Self {
        Self::new(Carrier::Plain(Plain::Memory(stream)))
    }

    pub(super) fn given(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::new(Carrier::Given(Box::new(stream)))
    }

    /// Sets how further writes are split.
    pub(super) fn set_writes(&mut self, writes: Writes) {
        if let Writes::Pieces { seed, .. } = writes {
            self.rng = fastrand::Rng::with_seed(seed);
        }
        self.writes = writes;
    }

    /// Returns how many frames are to leave in one write.
    pub(super) const fn frames_per_write(&self) -> usize {
        match self.writes {
            Writes::Joined { frames } => frames,
            Writes::Pieces { .. } | Writes::Whole => 1,
        }
    }

    /// Speaks TLS from here on. A stream of the caller's is left as it is.
    #[cfg(feature = "tls")]
    pub(super) async fn accept_tls(&mut self, acceptor: TlsAcceptor) -> io::Result<()> {
        self.carrier = match std::mem::replace(&mut self.carrier, Carrier::Gone) {
            Carrier::Plain(stream) => Carrier::Tls(Box::new(acceptor.accept(stream).await?)),
            other => other,
        };
        Ok(())
    }

    /// Ends this side of the stream. TLS is not closed before, as by a server that dies.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Given(stream) => stream.shutdown().await,
            Carrier::Gone => Ok(()),
            Carrier::Plain(stream) => stream.shutdown().await,
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => stream.get_mut().0.shutdown().await,
        }
    }

    /// Drops the connection, and where it is TCP so that the system resets it.
    pub(super) fn reset(&mut self) {
        let plain = match &self.carrier {
            Carrier::Given(_) | Carrier::Gone => None,
            Carrier::Plain(stream) => Some(stream),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => Some(stream.get_ref().0),
        };
        if let Some(Plain::Tcp(tcp)) = plain {
            // It can only fail where the connection is gone already.
            let _ = tcp.set_zero_linger();
        }
        self.carrier = Carrier::Gone;
    }

    fn new(carrier: Carrier) -> Self {
        Self { carrier, writes: Writes::Whole, rng: fastrand::Rng::with_seed(0), has_paused: false }
    }

    fn pinned(&mut self) -> io::Result<Pin<&mut dyn Duplex>> {
        match &mut self.carrier {
            Carrier::Given(stream) => Ok(Pin::new(&mut **stream)),
            Carrier::Gone => Err(io::ErrorKind::NotConnected.into()),
            Carrier::Plain(stream) => Ok(stream.pinned()),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => Ok(Pin::new(&mut **stream)),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pinned()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Writes::Pieces { max_bytes, .. } = self.writes else {
            return self.pinned()?.poll_write(cx, bytes);
        };
        // A reader on the same thread sees pieces only if it runs between them.
        if !self.has_paused {
            self.has_paused = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let len = self.rng.usize(1..=max_bytes.max(1)).min(bytes.len());
        let written = ready!(self.pinned()?.poll_write(cx, &bytes[..len]));
        self.has_paused = false;
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned()?.poll_shutdown(cx)
    }
}

impl Plain {
    fn pinned(&mut self) -> Pin<&mut dyn Duplex> {
        match self {
            Self::Memory(stream) => Pin::new(stream),
            Self::Tcp(stream) => Pin::new(stream),
        }
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pinned().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_shutdown(cx)
    }
}
