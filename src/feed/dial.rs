//! From an address to a stream of bytes: name look-up, proxy, TCP, TLS.
//!
//! Nothing here has a deadline of its own but the try of one address among several: the session
//! bounds the whole, and gives up a dial by dropping it.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use rustls::{CertificateError, OtherError};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::config::{Target, TlsTarget};
use super::verifier::SelfSigned;
use crate::session::{DialStage, Disconnect};

/// How long one address of several may take to answer.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// After how long without traffic the system asks whether the peer is there, and how often. The
/// venue sends each second, so it never has to.
const KEEPALIVE_TIME: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long the system waits for the peer to acknowledge what was sent.
#[cfg(any(target_os = "android", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes to and from the venue, below the WebSocket.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A dial under way.
pub type Dialing = Pin<Box<dyn Future<Output = Result<Box<dyn Transport>, DialError>> + Send>>;

/// Makes connections to the venue: for tests, and for networks that need more than TCP and TLS.
pub trait Dial: Send {
    /// Begins to dial. Dropping the answer gives the dial up.
    fn dial(&mut self) -> Dialing;
}

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialError {
    /// How far it came.
    pub stage: DialStage,
    /// What the system said.
    pub error: Box<str>,
}

impl DialError {
    /// Returns an error of a stage.
    #[must_use]
    pub fn new(stage: DialStage, error: impl fmt::Display) -> Self {
        Self { stage, error: error.to_string().into() }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage, self.error)
    }
}

impl std::error::Error for DialError {}

impl From<DialError> for Disconnect {
    fn from(DialError { stage, error }: DialError) -> Self {
        Self::NotConnected { stage, error }
    }
}

/// Dials TCP, through a proxy if there is one, and TLS where the address says so.
pub(super) struct TcpDialer {
    pub(super) target: Target,
}

impl Dial for TcpDialer {
    fn dial(&mut self) -> Dialing {
        let Target { host, port, tls, proxy, .. } = self.target.clone();
        Box::pin(async move {
            let stream = match proxy {
                Some(proxy) => proxy.connect(&host, port).await?,
                None => connect_tcp(&host, port).await?,
            };
            match tls {
                Some(tls) => connect_tls(tls, stream).await,
                None => Ok(Box::new(stream) as Box<dyn Transport>),
            }
        })
    }
}

/// Looks a name up, anew each time, and tries each of its addresses.
pub(super) async fn connect_tcp(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| DialError::new(DialStage::Dns, format!("{host}: {error}")))?;
    connect_any(host, addresses).await
}

async fn connect_any(
    host: &str,
    addresses: impl Iterator<Item = SocketAddr>,
) -> Result<TcpStream, DialError> {
    let mut errors = String::new();
    for address in addresses {
        let error = match tokio::time::timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => match set_options(&stream) {
                Ok(()) => return Ok(stream),
                Err(error) => error,
            },
            Ok(Err(error)) => error,
            Err(_) => io::Error::from(io::ErrorKind::TimedOut),
        };
        let separator = if errors.is_empty() { "" } else { "; " };
        errors.push_str(&format!("{separator}{address}: {error}"));
    }
    if errors.is_empty() {
        return Err(DialError::new(DialStage::Dns, format!("{host}: no address")));
    }
    Err(DialError::new(DialStage::Tcp, errors))
}

/// Lets small requests go at once, and the system notice a peer that is gone.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    // A request must not wait for another to fill its packet.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
    // A system that refuses these keeps a connection that the session's own timers watch as well.
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    Ok(())
}

async fn connect_tls(tls: TlsTarget, stream: TcpStream) -> Result<Box<dyn Transport>, DialError> {
    let connector = TlsConnector::from(tls.config);
    let connected = connector.connect(tls.server_name, stream).await;
    let stream = connected.map_err(|error| tls_error(&error))?;
    Ok(Box::new(stream))
}

/// Says what is wrong with a certificate in words that tell what to do.
fn tls_error(error: &io::Error) -> DialError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(fault)) = inner else {
        return DialError::new(DialStage::Tls, error);
    };
    let meaning = match fault {
        CertificateError::UnknownIssuer => "it is from an authority that is not among the roots",
        CertificateError::Other(OtherError(inner)) if inner.is::<SelfSigned>() => {
            "it is self-signed, and not itself among the roots"
        }
        CertificateError::BadSignature => {
            "its signature is wrong, or the server does not hold its key"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host"
        }
        CertificateError::Revoked => "it was revoked",
        _ => "it was not accepted",
    };
    DialError::new(DialStage::Certificate, format!("{meaning} ({fault})"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn every_address_of_a_name_is_tried() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = closed.local_addr().unwrap();
        drop(closed);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = listener.local_addr().unwrap();
        let stream = connect_any("name", [dead, dead, live].into_iter()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        let error = connect_any("name", [dead, dead].into_iter()).await.unwrap_err();
        assert_eq!(error.stage, DialStage::Tcp);
        assert_eq!(error.error.matches(&dead.to_string()).count(), 2, "{error}");
        let error = connect_any("name", std::iter::empty()).await.unwrap_err();
        assert_eq!(error, DialError::new(DialStage::Dns, "name: no address"));
    }

    #[tokio::test]
    async fn the_system_watches_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = connect_any("name", std::iter::once(address)).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().unwrap() && socket.keepalive().unwrap());
        #[cfg(any(target_os = "android", target_os = "linux"))]
        {
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
            assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_TIME);
        }
    }
}
