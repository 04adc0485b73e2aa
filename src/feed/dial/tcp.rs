//! TCP: name resolution, one address after the other, socket options.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::feed::error::DialError;
use crate::session::DialStage;

/// How long one address may take to answer before the next one is tried.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection is silent before the system probes the peer, and the time between probes.
/// The venue sends every second, so a sound connection is never probed.
const KEEPALIVE_TIME: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long the system waits for the peer to acknowledge what was sent.
#[cfg(any(target_os = "android", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(15);

/// Resolves a name, anew on each call, and connects to the first of its addresses that answers.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, DialError> {
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

/// Sends small requests at once, and lets the system notice a dead peer.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    // Nagle's algorithm would hold a request back until an earlier one is acknowledged.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
    // Where the system refuses these options, the session's timers still find a dead peer.
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    Ok(())
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
