//! From an address to an open WebSocket: name look-up, TCP, TLS, handshake.
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
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_EXTENSIONS;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};

use super::config::{Target, TlsTarget};
use crate::session::{DialStage, Disconnect};

/// How long one address of several may take to answer.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// How many bytes of requests may wait for a venue that does not read.
const MAX_WRITE_BUFFER_BYTES: usize = 1 << 20;

/// How many bytes of requests are gathered before they are written: none, each goes at once.
const WRITE_BUFFER_BYTES: usize = 0;

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

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<Box<dyn Transport>>;

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

/// Waits for a transport, and then makes a WebSocket of it.
pub(super) async fn open_socket(
    dialing: Dialing,
    uri: Uri,
    max_message_bytes: usize,
) -> Result<Socket, Disconnect> {
    let stream = dialing.await?;
    let failed = |error: String| Disconnect::from(DialError::new(DialStage::Handshake, error));
    let request = uri.into_client_request().map_err(|error| failed(error.to_string()))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes))
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES);
    let (socket, response) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config))
            .await
            .map_err(|error| failed(handshake_error(&error)))?;
    // None was offered. A frame of an extension would be unreadable, so it is better said now.
    if let Some(extensions) = response.headers().get(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(failed(format!("the venue insists on the extension {extensions:?}")));
    }
    Ok(socket)
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

fn handshake_error(error: &tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Http(response) => format!("the venue answered {}", response.status()),
        other => other.to_string(),
    }
}
