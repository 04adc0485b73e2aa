//! What a feed is told before it starts, and what is wrong with that.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::http::Uri;

use super::proxy::{Proxy, ProxyTarget};
use super::verifier::Verifier;
#[cfg(feature = "auth")]
use crate::auth::Credentials;
use crate::rate_limiter::RateLimiter;
use crate::session::{DEFAULT_MAX_PRODUCTS, Policy};
use crate::wire::ProductId;

/// Where the venue serves market data.
pub const COINBASE_URL: &str = "wss://advanced-trade-ws.coinbase.com";

/// The default of [`FeedConfig::max_message_bytes`]. The largest snapshot seen has 5 MB.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 32 << 20;

/// The settings of a [`Feed`](super::Feed).
///
/// ```
/// use level2::feed::{COINBASE_URL, FeedConfig};
///
/// let mut config = FeedConfig::new(["BTC-USD".parse()?]);
/// assert_eq!(config.url, COINBASE_URL);
/// config.max_message_bytes = 16 << 20;
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct FeedConfig {
    /// The address to dial, `wss://` or `ws://`. The default is [`COINBASE_URL`].
    pub url: String,

    /// The products to keep books of. More can be added and removed later.
    pub products: Vec<ProductId>,

    /// Products that the venue answers under another name: the name requested, then the venue's.
    /// `X-USDC` answered as `X-USD` is learnt without this.
    pub aliases: Vec<(ProductId, ProductId)>,

    /// How faults are found and healed.
    pub policy: Policy,

    /// The most products that the feed may hold. The default is [`DEFAULT_MAX_PRODUCTS`].
    pub max_products: usize,

    /// The largest message, and the largest WebSocket frame, that is accepted. A larger one ends
    /// the connection
    /// ([`Disconnect::MessageTooLarge`](crate::session::Disconnect::MessageTooLarge)). An open
    /// connection keeps a buffer as large as the largest message that came on it, or twice that.
    /// The default is [`DEFAULT_MAX_MESSAGE_BYTES`].
    pub max_message_bytes: usize,

    /// Keeps this feed and others within the venue's limits together. The default, `None`, is the
    /// limiter that [the whole process shares](RateLimiter::of_process), and none for addresses of
    /// this machine. Not part of a settings file.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub rate_limiter: Option<Arc<RateLimiter>>,

    /// The certificate authorities to trust for `wss://`.
    pub roots: Roots,

    /// The proxy to go through. The default is what the environment says.
    pub proxy: Proxy,

    /// Whether `ws://` may be dialled at hosts other than this machine. The default is `false`:
    /// anyone on the way could change the prices.
    pub allow_plaintext: bool,

    /// The seed of the random part of the waits before dials. The default, `None`, draws one.
    pub seed: Option<u64>,

    /// The key to sign requests with. The default is none: market data needs none. Not part of a
    /// settings file.
    #[cfg(feature = "auth")]
    #[cfg_attr(feature = "serde", serde(skip))]
    pub credentials: Option<Credentials>,
}

impl FeedConfig {
    /// Returns the default settings for these products.
    #[must_use]
    pub fn new(products: impl IntoIterator<Item = ProductId>) -> Self {
        Self {
            url: COINBASE_URL.to_owned(),
            products: products.into_iter().collect(),
            aliases: Vec::new(),
            policy: Policy::default(),
            max_products: DEFAULT_MAX_PRODUCTS,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            rate_limiter: None,
            roots: Roots::Platform,
            proxy: Proxy::Environment,
            allow_plaintext: false,
            seed: None,
            #[cfg(feature = "auth")]
            credentials: None,
        }
    }
}

impl Default for FeedConfig {
    /// Returns the default settings without products.
    fn default() -> Self {
        Self::new([])
    }
}

/// The certificate authorities that a server's certificate must come from.
///
/// There is no way to take a certificate unchecked.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Roots {
    /// Those bundled with this library, as the major browsers trust them.
    Bundled,
    /// These alone, each as DER.
    Custom(Vec<Vec<u8>>),
    /// Those of the operating system, or where it has none the bundled ones.
    Platform,
    /// Those of the operating system alone. That it has none is an error.
    PlatformOnly,
    /// These alone, as rustls 0.23 holds them.
    #[cfg_attr(feature = "serde", serde(skip))]
    Store(Arc<RootCertStore>),
}

/// What is wrong with the settings of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// `ws://` at a host other than this one, without [`FeedConfig::allow_plaintext`].
    Plaintext {
        /// The host.
        host: String,
    },
    /// The address of a proxy cannot be used. It is not quoted, because it may hold a password.
    Proxy {
        /// Where it stands: the name of an environment variable, or the setting.
        origin: &'static str,
    },
    /// A root certificate cannot be used.
    Roots(String),
    /// The address is not one to dial.
    Url {
        /// The address.
        url: String,
        /// What was expected of it.
        expected: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plaintext { host } => write!(
                f,
                "expected wss:// for {host}: ws:// is dialled at this machine only, unless \
                 allow_plaintext is set"
            ),
            Self::Proxy { origin } => write!(
                f,
                "expected a proxy such as http://host:port or socks5://host:port in {origin}, got \
                 something else"
            ),
            Self::Roots(error) => write!(f, "expected usable root certificates: {error}"),
            Self::Url { url, expected } => write!(f, "expected {expected}, got {url:?}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Where to dial, checked.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) proxy: Option<ProxyTarget>,
    /// How to speak TLS, unless the address is `ws://`.
    pub(super) tls: Option<TlsTarget>,
}

/// How to speak TLS with a server, and the name it must prove.
#[derive(Clone, Debug)]
pub(super) struct TlsTarget {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: ServerName<'static>,
}

impl Target {
    pub(super) fn new(config: &FeedConfig) -> Result<Self, ConfigError> {
        let wrong = |expected| ConfigError::Url { url: config.url.clone(), expected };
        let uri: Uri = config.url.parse().map_err(|_| wrong("a URL such as wss://host/path"))?;
        let is_tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(wrong("a URL that begins with wss:// or ws://")),
        };
        let host = uri.host().unwrap_or_default();
        // An IPv6 address stands in brackets in a URL, and nowhere else.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("a URL with a host"));
        }
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        if !is_tls && !config.allow_plaintext && !is_this_machine(&host) {
            return Err(ConfigError::Plaintext { host });
        }
        let tls = if is_tls {
            let server_name = ServerName::try_from(host.clone());
            let server_name =
                server_name.map_err(|_| wrong("a URL with a host name or address"))?;
            Some(TlsTarget { config: tls_config(&config.roots)?, server_name })
        } else {
            None
        };
        let proxy = ProxyTarget::find(&config.proxy, &host)?;
        Ok(Self { uri, host, port, proxy, tls })
    }
}

pub(super) fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Makes the TLS settings with one named provider of cryptography. The default of the process is
/// never asked: it panics when the caller's program has none, or two.
fn tls_config(roots: &Roots) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Verifier::new(root_store(roots)?, &provider).map_err(ConfigError::Roots)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Roots(error.to_string()))?;
    // What the library calls dangerous is a verifier of one's own. This one is rustls', and only
    // says more of what that refuses.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let config = builder.with_no_client_auth();
    Ok(Arc::new(config))
}

fn root_store(roots: &Roots) -> Result<Arc<RootCertStore>, ConfigError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Bundled => {}
        Roots::Custom(certificates) => {
            for certificate in certificates {
                let certificate = CertificateDer::from(certificate.clone());
                store.add(certificate).map_err(|error| ConfigError::Roots(error.to_string()))?;
            }
            if store.is_empty() {
                return Err(ConfigError::Roots("there are none".to_owned()));
            }
            return Ok(Arc::new(store));
        }
        Roots::Platform | Roots::PlatformOnly => {
            // One odd certificate of many must not take the others away.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() && matches!(roots, Roots::PlatformOnly) {
                return Err(ConfigError::Roots("the operating system has none".to_owned()));
            }
        }
        Roots::Store(own) if own.is_empty() => {
            return Err(ConfigError::Roots("there are none".to_owned()));
        }
        Roots::Store(own) => return Ok(Arc::clone(own)),
    }
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(Arc::new(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, ConfigError> {
        let mut config = FeedConfig::new([]);
        config.url = url.to_owned();
        config.roots = Roots::Bundled;
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
            assert_eq!(target.tls.is_some(), is_tls, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_before_anything_is() {
        for url in ["", "nonsense", "https://example.com", "wss://", "//host", "wss://a b"] {
            assert!(matches!(target(url), Err(ConfigError::Url { .. })), "{url}");
        }
        let plaintext = ConfigError::Plaintext { host: "example.com".to_owned() };
        assert_eq!(target("ws://example.com/").unwrap_err(), plaintext);
        let mut config = FeedConfig::new([]);
        config.url = "ws://example.com".to_owned();
        config.allow_plaintext = true;
        assert!(Target::new(&config).is_ok());
    }

    #[test]
    fn roots_of_ones_own_have_to_be_there_and_sound() {
        let mut config = FeedConfig::new([]);
        for roots in [
            Roots::Custom(vec![]),
            Roots::Custom(vec![b"no certificate".to_vec()]),
            Roots::Store(Arc::new(RootCertStore::empty())),
        ] {
            config.roots = roots;
            assert!(matches!(Target::new(&config), Err(ConfigError::Roots(_))));
        }
    }
}
