//! Settings of books.

use std::sync::Arc;

#[cfg(feature = "auth")]
use crate::auth::Credentials;
use crate::feed::{COINBASE_URL, DEFAULT_MAX_MESSAGE_BYTES, FeedConfig, Proxy, Roots};
use crate::rate_limiter::RateLimiter;
use crate::session::Policy;
use crate::wire::ProductId;

/// The default of [`BooksConfig::products_per_connection`].
pub const DEFAULT_PRODUCTS_PER_CONNECTION: usize = 10;

/// The default of [`BooksConfig::max_connections`].
pub const DEFAULT_MAX_CONNECTIONS: usize = 256;

/// The settings of [`Books`](super::Books).
///
/// ```
/// use level2::books::{BooksConfig, Redundancy};
///
/// let mut config = BooksConfig::new(["BTC-USD".parse()?, "ETH-USD".parse()?]);
/// config.redundancy = Redundancy::Standby;
/// config.policy.idle_timeout = std::time::Duration::from_secs(3);
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct BooksConfig {
    /// The address to dial, `wss://` or `ws://`, without user or password. The default is
    /// [`COINBASE_URL`].
    pub url: String,

    /// The products to keep books of, spread over the connections. More can be added and removed
    /// later.
    pub products: Vec<ProductId>,

    /// Products that the venue answers under another name: the name requested, then the venue's.
    /// `X-USDC` answered as `X-USD` is learnt without this.
    pub aliases: Vec<(ProductId, ProductId)>,

    /// How faults are found and healed, on each connection.
    pub policy: Policy,

    /// How many products share a connection. Fewer lose fewer books to one gap; more need fewer
    /// connections. When the venue takes fewer, the books find out and spread out further. Zero
    /// counts as one. The default is [`DEFAULT_PRODUCTS_PER_CONNECTION`].
    pub products_per_connection: usize,

    /// The most connections there may be, standbys included. Fewer than a product needs (one, or
    /// two with a standby) is an error. The default is [`DEFAULT_MAX_CONNECTIONS`].
    pub max_connections: usize,

    /// Whether books outlive their connection. The default is [`Redundancy::None`].
    pub redundancy: Redundancy,

    /// The largest message that is accepted, as [`FeedConfig::max_message_bytes`].
    pub max_message_bytes: usize,

    /// Keeps these books and others within the venue's limits together, as
    /// [`FeedConfig::rate_limiter`].
    #[cfg_attr(feature = "serde", serde(skip))]
    pub rate_limiter: Option<Arc<RateLimiter>>,

    /// The certificate authorities to trust for `wss://`.
    pub roots: Roots,

    /// The proxy to go through. The default is what the environment says.
    pub proxy: Proxy,

    /// Whether `ws://` may be dialled at hosts other than this machine. The default is `false`.
    pub allow_plaintext: bool,

    /// The seed of the random part of the waits before dials. The default, `None`, draws one.
    pub seed: Option<u64>,

    /// The key to sign requests with, as [`FeedConfig::credentials`].
    #[cfg(feature = "auth")]
    #[cfg_attr(feature = "serde", serde(skip))]
    pub credentials: Option<Credentials>,
}

impl BooksConfig {
    /// Returns the default settings for these products.
    #[must_use]
    pub fn new(products: impl IntoIterator<Item = ProductId>) -> Self {
        Self {
            url: COINBASE_URL.to_owned(),
            products: products.into_iter().collect(),
            aliases: Vec::new(),
            policy: Policy::default(),
            products_per_connection: DEFAULT_PRODUCTS_PER_CONNECTION,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            redundancy: Redundancy::None,
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

    /// Returns what each connection is made from; the products are spread over them apart.
    pub(super) fn into_feed_config(self) -> FeedConfig {
        let mut feed = FeedConfig::new([]);
        feed.url = self.url;
        feed.aliases = self.aliases;
        feed.policy = self.policy;
        feed.max_message_bytes = self.max_message_bytes;
        feed.rate_limiter = self.rate_limiter;
        feed.roots = self.roots;
        feed.proxy = self.proxy;
        feed.allow_plaintext = self.allow_plaintext;
        feed.seed = self.seed;
        #[cfg(feature = "auth")]
        {
            feed.credentials = self.credentials;
        }
        feed
    }
}

impl Default for BooksConfig {
    /// Returns the default settings without products.
    fn default() -> Self {
        Self::new([])
    }
}

/// Whether books outlive the connection that feeds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Redundancy {
    /// Each product is on one connection. When that fails, its books are withdrawn until they are
    /// healed.
    None,
    /// Each product is on two connections, and each of them has books of its own. When one fails
    /// readers go on with the other at once, while it heals in the background. Each frame costs
    /// its bytes and its time twice.
    ///
    /// A connection that falls silent has failed when
    /// [`idle_timeout`](crate::session::Policy::idle_timeout) says so, and is read until
    /// then. With a standby there is little to lose by setting it short: heartbeats come each
    /// second.
    Standby,
}

impl Redundancy {
    /// Returns whether each product is on a second connection.
    pub(super) const fn has_standby(self) -> bool {
        match self {
            Self::None => false,
            Self::Standby => true,
        }
    }
}
