//! Ways to the venue through a proxy: HTTP `CONNECT` and SOCKS5.
//!
//! hyper-util finds the proxy and speaks with it; the name of the venue is looked up there. TLS is
//! spoken with the venue itself, through the proxy: it sees a name, a port, and sealed bytes.

use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Uri;
use tower_service::Service;

use super::config::{ConfigError, is_this_machine};
use super::dial::{DialError, connect_tcp};
use crate::session::DialStage;

/// Whether to go through a proxy.
///
/// Its `Debug` shows no address, because that may hold a password. Where it is serialised, user
/// and password are left out.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Proxy {
    /// As the environment says: `HTTPS_PROXY`, or else `ALL_PROXY`, unless `NO_PROXY` names the
    /// host; each also in lower case. This machine is always dialled directly.
    #[default]
    Environment,
    /// Never.
    None,
    /// This one: `http://host:port` for `CONNECT`, or `socks5://host:port`; with `user:password@`
    /// before the host where the proxy asks for it.
    Url(#[cfg_attr(feature = "serde", serde(serialize_with = "without_password"))] String),
}

/// Writes the address of a proxy without the part before `@`.
#[cfg(feature = "serde")]
fn without_password<S: serde::Serializer>(url: &str, to: S) -> Result<S::Ok, S::Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
    to.collect_str(&format_args!("{scheme}://{address}"))
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::None => "None",
            Self::Url(_) => "Url([redacted])",
        })
    }
}

/// What is read from the environment, in this order.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A proxy that is to be gone through, checked.
#[derive(Clone, Debug)]
pub(super) struct ProxyTarget {
    intercept: Intercept,
    host: String,
    port: u16,
    is_socks: bool,
}

impl ProxyTarget {
    /// Finds the proxy for a host, if there is one to go through.
    pub(super) fn find(proxy: &Proxy, host: &str) -> Result<Option<Self>, ConfigError> {
        match proxy {
            Proxy::None => Ok(None),
            Proxy::Url(url) => Self::parse(url, "", host, "the setting"),
            Proxy::Environment if is_this_machine(host) => Ok(None),
            Proxy::Environment => {
                let set = VARIABLES.into_iter().find_map(|name| {
                    let url = std::env::var_os(name).filter(|url| !url.is_empty())?;
                    Some((name, url))
                });
                let Some((name, url)) = set else { return Ok(None) };
                let url = url.into_string().map_err(|_| ConfigError::Proxy { origin: name })?;
                let except = ["NO_PROXY", "no_proxy"].into_iter();
                let except = except.filter_map(|name| std::env::var(name).ok()).next();
                Self::parse(&url, &except.unwrap_or_default(), host, name)
            }
        }
    }

    /// Reads the address of a proxy. One that cannot be used is an error: to dial directly instead
    /// would betray whoever named it.
    fn parse(
        url: &str,
        except: &str,
        host: &str,
        origin: &'static str,
    ) -> Result<Option<Self>, ConfigError> {
        let wrong = ConfigError::Proxy { origin };
        let target = authority(host, 443).map_err(|_| wrong.clone())?;
        let find = |except: &str| Matcher::builder().all(url).no(except).build().intercept(&target);
        let intercept = find("").ok_or_else(|| wrong.clone())?;
        let uri = intercept.uri();
        let (is_socks, usual_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("socks5" | "socks5h") => (true, 1_080),
            _ => return Err(wrong),
        };
        let proxy_host = uri.host().unwrap_or_default();
        let proxy_host = proxy_host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if proxy_host.is_empty() {
            return Err(wrong);
        }
        let port = uri.port_u16().unwrap_or(usual_port);
        if find(except).is_none() {
            return Ok(None);
        }
        Ok(Some(Self { intercept, host: proxy_host, port, is_socks }))
    }

    /// Connects to a host through the proxy.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let failed = |error: &dyn fmt::Display| {
            let Self { host: proxy, port: proxy_port, .. } = self;
            let place = format!("{proxy}:{proxy_port} to {host}:{port}");
            DialError::new(DialStage::Proxy, format!("{place}: {error}"))
        };
        let stream = connect_tcp(&self.host, self.port).await.map_err(|error| failed(&error))?;
        let (proxy, stream) = (self.intercept.uri().clone(), Connected(Some(stream)));
        let target = authority(host, port).map_err(|error| failed(&error))?;
        let stream = if self.is_socks {
            let mut socks = SocksV5::new(proxy, stream);
            if let Some((user, password)) = self.intercept.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.call(target).await.map_err(|error| failed(&error))?
        } else {
            let mut tunnel = Tunnel::new(proxy, stream);
            if let Some(auth) = self.intercept.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            tunnel.call(target).await.map_err(|error| failed(&error))?
        };
        Ok(stream.into_inner())
    }
}

/// Writes a host and a port as the libraries for proxies take them.
fn authority(host: &str, port: u16) -> Result<Uri, impl fmt::Display + use<>> {
    let brackets = if host.contains(':') { ("[", "]") } else { ("", "") };
    format!("https://{}{host}{}:{port}/", brackets.0, brackets.1).parse::<Uri>()
}

/// Hands out the connection to the proxy, which was made before: by the same code as any other.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, except: &str) -> Result<Option<ProxyTarget>, ConfigError> {
        ProxyTarget::parse(url, except, "advanced-trade-ws.coinbase.com", "the test")
    }

    #[test]
    fn addresses_of_proxies_are_taken_apart() {
        for (url, host, port, is_socks) in [
            ("http://proxy.example", "proxy.example", 80, false),
            ("http://user:pass@proxy.example:3128/", "proxy.example", 3_128, false),
            ("proxy.example:8080", "proxy.example", 8_080, false),
            ("socks5://127.0.0.1", "127.0.0.1", 1_080, true),
            ("socks5h://user:pass@[::1]:9050", "::1", 9_050, true),
        ] {
            let proxy = parse(url, "").unwrap().unwrap();
            assert_eq!((&*proxy.host, proxy.port, proxy.is_socks), (host, port, is_socks), "{url}");
            assert!(!format!("{proxy:?}").contains("pass"), "{proxy:?}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_and_not_quoted() {
        for url in
            ["", "https://proxy.example", "socks4://proxy.example", "ftp://a", "http://", "a b"]
        {
            let error = parse(url, "*").unwrap_err();
            assert_eq!(error, ConfigError::Proxy { origin: "the test" }, "{url}");
        }
        let error = parse("https://user:hunter2@proxy.example", "").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let shown = format!("{:?}", Proxy::Url("http://user:hunter2@proxy.example".to_owned()));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn exceptions_are_dialled_directly() {
        for (except, is_direct) in [
            ("", false),
            ("*", true),
            ("coinbase.com", true),
            (".coinbase.com, example.com", true),
            ("advanced-trade-ws.coinbase.com", true),
            ("example.com", false),
            ("base.com", false),
        ] {
            let proxy = parse("http://proxy.example", except).unwrap();
            assert_eq!(proxy.is_none(), is_direct, "{except}");
        }
        let local = ProxyTarget::find(&Proxy::Environment, "127.0.0.1").unwrap();
        assert!(local.is_none(), "whatever the environment says");
    }
}
