//! Where to connect, checked: the parts of the address, and the proxy on the way.

use std::fmt;
use std::net::IpAddr;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::http::Uri;

use super::config::FeedConfig;
use super::error::ConfigError;
use super::proxy::Proxy;
use super::userinfo::without_userinfo;

/// The environment variables that may name a proxy, in order of precedence.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The environment variables that may list hosts to dial directly, in order of precedence.
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The address of the venue, checked and taken apart.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) uri: Uri,
    /// The host name or IP address, without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// The name that the server's certificate must be for, or `None` for `ws://`.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) proxy: Option<ProxyTarget>,
}

impl Target {
    /// Takes the address of the settings apart, and finds the proxy to use.
    pub(super) fn new(config: &FeedConfig) -> Result<Self, ConfigError> {
        let wrong =
            |problem| ConfigError::Url { url: without_userinfo(&config.url).into_owned(), problem };
        let uri: Uri =
            config.url.parse().map_err(|_| wrong("it is not a URL such as wss://host/path"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("it must not hold a user or a password"));
        }
        let is_tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(wrong("its scheme is neither wss:// nor ws://")),
        };
        let host = host_of(&uri).ok_or_else(|| wrong("it has no host"))?.to_owned();
        if !is_tls && !config.allow_plaintext && !is_this_machine(&host) {
            return Err(ConfigError::Plaintext { host });
        }
        let server_name = is_tls.then(|| ServerName::try_from(host.clone())).transpose();
        let server_name =
            server_name.map_err(|_| wrong("its host is neither a name nor an address"))?;
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let proxy = ProxyTarget::find(&config.proxy, &host)?;
        Ok(Self { uri, host, port, server_name, proxy })
    }

    /// Returns whether the address is one of this machine.
    pub(super) fn is_this_machine(&self) -> bool {
        is_this_machine(&self.host)
    }
}

/// The proxy to connect through, checked.
#[derive(Clone, Debug)]
pub(super) struct ProxyTarget {
    /// Holds the address and the password, which its `Debug` omits.
    pub(super) intercept: Intercept,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_socks: bool,
}

impl ProxyTarget {
    /// Returns the proxy to use for a host, if any.
    fn find(proxy: &Proxy, host: &str) -> Result<Option<Self>, ConfigError> {
        match proxy {
            Proxy::None => Ok(None),
            Proxy::Url(url) => Self::parse(url, "", host, "the settings"),
            Proxy::Environment if is_this_machine(host) => Ok(None),
            Proxy::Environment => {
                let set = PROXY_VARIABLES.into_iter().find_map(|name| {
                    let url = std::env::var_os(name).filter(|url| !url.is_empty())?;
                    Some((name, url))
                });
                let Some((name, url)) = set else { return Ok(None) };
                let url = url.into_string().map_err(|_| ConfigError::Proxy { origin: name })?;
                let direct =
                    NO_PROXY_VARIABLES.into_iter().find_map(|name| std::env::var(name).ok());
                Self::parse(&url, direct.as_deref().unwrap_or(""), host, name)
            }
        }
    }

    /// Parses the address of a proxy, and returns it unless `direct` lists the host.
    ///
    /// An address that cannot be used is an error. Dialling directly instead would expose a client
    /// that named a proxy to hide behind it.
    fn parse(
        url: &str,
        direct: &str,
        host: &str,
        origin: &'static str,
    ) -> Result<Option<Self>, ConfigError> {
        let wrong = ConfigError::Proxy { origin };
        let target = authority(host, 443).map_err(|_| wrong.clone())?;
        let find = |direct: &str| Matcher::builder().all(url).no(direct).build().intercept(&target);
        let intercept = find("").ok_or_else(|| wrong.clone())?;
        let uri = intercept.uri();
        let (is_socks, default_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("socks5" | "socks5h") => (true, 1_080),
            _ => return Err(wrong),
        };
        let Some(proxy_host) = host_of(uri).map(str::to_owned) else { return Err(wrong) };
        let port = uri.port_u16().unwrap_or(default_port);
        if find(direct).is_none() {
            return Ok(None);
        }
        Ok(Some(Self { intercept, host: proxy_host, port, is_socks }))
    }
}

/// Writes a host and a port in the form that the proxy libraries take.
pub(super) fn authority(host: &str, port: u16) -> Result<Uri, impl fmt::Display + use<>> {
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    format!("https://{open}{host}{close}:{port}/").parse::<Uri>()
}

/// Returns the host of a URL, without the brackets that a URL puts around an IPv6 address.
fn host_of(uri: &Uri) -> Option<&str> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then_some(host)
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::COINBASE_URL;

    fn target(url: &str) -> Result<Target, ConfigError> {
        let mut config = FeedConfig::new([]);
        config.url = url.to_owned();
        Target::new(&config)
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (url, host, port, is_tls) in [
            (COINBASE_URL, "advanced-trade-ws.coinbase.com", 443, true),
            ("wss://example.com:8443/feed?x=1", "example.com", 8443, true),
            ("ws://127.0.0.1:9001", "127.0.0.1", 9001, false),
            ("ws://LOCALHOST", "LOCALHOST", 80, false),
            ("wss://[::1]:1234/", "::1", 1234, true),
        ] {
            let target = target(url).unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, port), "{url}");
            assert_eq!(target.server_name.is_some(), is_tls, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_before_anything_is() {
        for url in ["", "nonsense", "https://example.com", "wss://", "//host", "wss://a b"] {
            assert!(matches!(target(url), Err(ConfigError::Url { .. })), "{url}");
        }
        for url in ["wss://user:hunter2@example.com/", "wss://hunter2@example.com", "ws:/hunter2@a"]
        {
            let refused = target(url).unwrap_err();
            assert!(matches!(refused, ConfigError::Url { .. }), "{refused:?}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
        }
        assert!(target("wss://example.com/path@x").is_ok(), "no part of a path is a password");
        let plaintext = ConfigError::Plaintext { host: "example.com".to_owned() };
        assert_eq!(target("ws://example.com/").unwrap_err(), plaintext);
        let mut config = FeedConfig::new([]);
        config.url = "ws://example.com".to_owned();
        config.allow_plaintext = true;
        assert!(Target::new(&config).is_ok());
    }

    fn parse(url: &str, direct: &str) -> Result<Option<ProxyTarget>, ConfigError> {
        ProxyTarget::parse(url, direct, "advanced-trade-ws.coinbase.com", "the test")
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
        for (direct, is_direct) in [
            ("", false),
            ("*", true),
            ("coinbase.com", true),
            (".coinbase.com, example.com", true),
            ("advanced-trade-ws.coinbase.com", true),
            ("example.com", false),
            ("base.com", false),
        ] {
            let proxy = parse("http://proxy.example", direct).unwrap();
            assert_eq!(proxy.is_none(), is_direct, "{direct}");
        }
        let local = ProxyTarget::find(&Proxy::Environment, "127.0.0.1").unwrap();
        assert!(local.is_none(), "whatever the environment says");
    }
}
