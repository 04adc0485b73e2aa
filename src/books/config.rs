//! What books are told before they start.

use crate::feed::FeedConfig;
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
/// config.feed.session.idle_timeout = std::time::Duration::from_secs(3);
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct BooksConfig {
    /// What each connection is told. Its products, `feed.session.products`, are spread over the
    /// connections; its `max_products` is not used, nor its `first_connection`.
    pub feed: FeedConfig,

    /// How many products share a connection. Fewer lose fewer books to one gap; more cost fewer
    /// connections. When the venue takes fewer, the books find out and spread out further. The
    /// default is 10.
    pub products_per_connection: usize,

    /// The most connections there may be, standbys included. The default is 256.
    pub max_connections: usize,

    /// Whether books outlive their connection. The default is [`Redundancy::None`].
    pub redundancy: Redundancy,
}

impl BooksConfig {
    /// Returns the default settings for these products.
    #[must_use]
    pub fn new(products: impl IntoIterator<Item = ProductId>) -> Self {
        Self {
            feed: FeedConfig::new(products),
            products_per_connection: DEFAULT_PRODUCTS_PER_CONNECTION,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            redundancy: Redundancy::None,
        }
    }
}

/// Whether books outlive the connection that feeds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// [`idle_timeout`](crate::session::SessionConfig::idle_timeout) says so, and is read until
    /// then. With a standby there is little to lose by setting it short: heartbeats come each
    /// second.
    Standby,
}

impl Redundancy {
    /// Returns how many connections a product is on.
    pub(super) const fn line_count(self) -> usize {
        match self {
            Self::None => 1,
            Self::Standby => 2,
        }
    }
}
