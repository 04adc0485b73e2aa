//! The settings of a feed.

use std::sync::Arc;

use super::proxy::Proxy;
use super::roots::Roots;
#[cfg(feature = "auth")]
use crate::auth::Credentials;
use crate::rate_limiter::RateLimiter;
use crate::session::{DEFAULT_MAX_PRODUCTS, Policy};
use crate::wire::{COINBASE_URL, ProductId};

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
    /// The address to dial, `wss://` or `ws://`, without user or password. The default is
    /// [`COINBASE_URL`].
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
