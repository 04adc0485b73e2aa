//! Dialing: from an address to a byte stream, by proxy, TCP and TLS or by the caller's own means.
//!
//! A dial has no deadline of its own. The session bounds the whole attempt and abandons it by
//! dropping the future.

mod proxy;
mod tcp;
mod tls;
mod verifier;

use std::future::Future;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use self::tls::Tls;
use super::error::{ConfigError, DialError};
use super::roots::Roots;
use super::target::{ProxyTarget, Target};

/// A byte stream to and from the venue, below the WebSocket.
///
/// Every stream that can be read and written in tokio's way is a transport. tokio's [`AsyncRead`]
/// and [`AsyncWrite`] are the one place besides `rust_decimal` where a public signature of this
/// crate names a type or trait of another.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A dial in progress.
pub type Dialing = Pin<Box<dyn Future<Output = Result<Box<dyn Transport>, DialError>> + Send>>;

/// Makes connections to the venue: for tests, and for networks that need more than TCP and TLS.
///
/// A closure that returns a future of a [`Transport`] is a dialer. This one connects a feed to a
/// server in the same process, through memory:
///
/// ```
/// use level2::{Feed, FeedConfig};
/// use tokio::io::{AsyncReadExt, DuplexStream, duplex};
///
/// async fn serve(mut stream: DuplexStream) {
///     let mut request = [0; 1_024];
///     let _ = stream.read(&mut request).await;
///     // ... answer the WebSocket handshake, and send frames.
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = FeedConfig::new(["BTC-USD".parse()?]);
/// config.url = "ws://localhost/".to_owned();
/// let mut feed = Feed::with_dialer(config, || async {
///     let (near, far) = duplex(64 << 10);
///     tokio::spawn(serve(far));
///     Ok(near)
/// })?;
/// let event = feed.next().await?;
/// # Ok(())
/// # }
/// ```
pub trait Dial: Send {
    /// Starts a dial. Dropping the returned future abandons it.
    fn dial(&mut self) -> Dialing;
}

impl<F, D, T> Dial for F
where
    F: FnMut() -> D + Send,
    D: Future<Output = Result<T, DialError>> + Send + 'static,
    T: Transport + 'static,
{
    fn dial(&mut self) -> Dialing {
        let dialing = self();
        Box::pin(async move { Ok(Box::new(dialing.await?) as Box<dyn Transport>) })
    }
}

/// Dials the venue: through a proxy if there is one, and with TLS where the address says so.
#[derive(Clone, Debug)]
pub(super) struct NetDialer {
    host: String,
    port: u16,
    proxy: Option<ProxyTarget>,
    tls: Option<Tls>,
}

impl NetDialer {
    /// Loads the roots if the address needs TLS.
    pub(super) fn new(target: &Target, roots: &Roots) -> Result<Self, ConfigError> {
        let Target { host, port, server_name, proxy, .. } = target.clone();
        let tls = server_name.map(|server_name| Tls::new(server_name, roots)).transpose()?;
        Ok(Self { host, port, proxy, tls })
    }
}

impl Dial for NetDialer {
    fn dial(&mut self) -> Dialing {
        let Self { host, port, proxy, tls } = self.clone();
        Box::pin(async move {
            let stream = match proxy {
                Some(proxy) => proxy::connect(&proxy, &host, port).await?,
                None => tcp::connect(&host, port).await?,
            };
            Ok(match tls {
                Some(tls) => Box::new(tls.connect(stream).await?) as Box<dyn Transport>,
                None => Box::new(stream),
            })
        })
    }
}
