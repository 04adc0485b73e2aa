//! From an address to a stream of bytes: name look-up, TCP, TLS.
//!
//! Nothing here has a deadline of its own but the try of one address among several: the session
//! bounds the whole, and gives up a dial by dropping it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::config::{Target, TlsTarget};
use crate::session::{DialStage, Disconnect};

/// How long one address of several may take to answer.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

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

/// Dials TCP, and TLS where the address says so.
pub(super) struct TcpDialer {
    pub(super) target: Target,
}

impl Dial for TcpDialer {
    fn dial(&mut self) -> Dialing {
        let Target { host, port, tls, .. } = self.target.clone();
        Box::pin(async move {
            let stream = connect_tcp(&host, port).await?;
            match tls {
                Some(tls) => connect_tls(tls, stream).await,
                None => Ok(Box::new(stream) as Box<dyn Transport>),
            }
        })
    }
}

async fn connect_tcp(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| DialError::new(DialStage::Dns, format!("{host}: {error}")))?;
    let mut last_error = None;
    for address in addresses {
        let error = match tokio::time::timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request must not wait for another to fill its packet.
                stream.set_nodelay(true).map_err(|error| DialError::new(DialStage::Tcp, error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => error,
            Err(_) => io::Error::from(io::ErrorKind::TimedOut),
        };
        last_error = Some(DialError::new(DialStage::Tcp, format!("{address}: {error}")));
    }
    Err(last_error.unwrap_or_else(|| DialError::new(DialStage::Dns, format!("{host}: no address"))))
}

async fn connect_tls(tls: TlsTarget, stream: TcpStream) -> Result<Box<dyn Transport>, DialError> {
    let connector = TlsConnector::from(tls.config);
    let stream = connector.connect(tls.server_name, stream).await;
    let stream = stream.map_err(|error| DialError::new(DialStage::Tls, error))?;
    Ok(Box::new(stream))
}
