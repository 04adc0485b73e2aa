//! Connecting through a proxy, by `CONNECT` or SOCKS5.
//!
//! hyper-util speaks with the proxy, which resolves the venue's name. TLS is spoken with the venue
//! through it: the proxy sees the name, the port and encrypted bytes.

use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Uri;
use tower_service::Service;

use super::tcp;
use crate::feed::error::DialError;
use crate::feed::target::{ProxyTarget, authority};
use crate::session::DialStage;

/// Connects to a host through a proxy.
pub(super) async fn connect(
    proxy: &ProxyTarget,
    host: &str,
    port: u16,
) -> Result<TcpStream, DialError> {
    let ProxyTarget { intercept, host: proxy_host, port: proxy_port, is_socks } = proxy;
    let failed = |error: &dyn fmt::Display| {
        let route = format!("{proxy_host}:{proxy_port} to {host}:{port}");
        DialError::new(DialStage::Proxy, format!("{route}: {error}"))
    };
    let stream = tcp::connect(proxy_host, *proxy_port).await.map_err(|error| failed(&error))?;
    let (address, stream) = (intercept.uri().clone(), Connected(Some(stream)));
    let target = authority(host, port).map_err(|error| failed(&error))?;
    let stream = if *is_socks {
        let mut socks = SocksV5::new(address, stream);
        if let Some((user, password)) = intercept.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        socks.call(target).await.map_err(|error| failed(&error))?
    } else {
        let mut tunnel = Tunnel::new(address, stream);
        if let Some(auth) = intercept.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        tunnel.call(target).await.map_err(|error| failed(&error))?
    };
    Ok(stream.into_inner())
}

/// Hands hyper-util the connection to the proxy, which this library makes like any other.
struct Connected(Option<TcpStream>);

impl Service<Uri> for Connected {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.take().map(TokioIo::new);
        ready(stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    }
}
