//! Session settings.

use std::time::Duration;

use super::policy::{Policy, Resync};
use crate::units::UnixNanos;
use crate::wire::{ProductId, venue};

/// The most requests the venue takes from one address in a second, as it states.
pub const MAX_REQUESTS_PER_SECOND: usize = venue::REQUESTS_PER_SECOND;

/// The shortest time between two dials, which spreads evenly what the venue takes in a second from
/// one address.
pub const MIN_DIAL_INTERVAL: Duration =
    Duration::from_millis(1_000 / venue::CONNECTIONS_PER_SECOND as u64);

/// The most products in one request. The venue states no bound; this keeps a message small.
pub const MAX_PRODUCTS_PER_REQUEST: usize = 100;

/// The settings of a [`Session`](super::Session).
///
/// ```
/// use std::time::Duration;
///
/// use level2::session::{Resync, SessionConfig};
///
/// let mut config = SessionConfig::new(["BTC-USD".parse()?, "ETH-USD".parse()?]);
/// config.policy.resync = Resync::Resubscribe;
/// config.policy.idle_timeout = Duration::from_secs(3);
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SessionConfig {
    /// The products to keep books of. More can be added and removed later.
    pub products: Vec<ProductId>,

    /// Products that the venue answers under another name: the name requested, then the venue's.
    ///
    /// `X-USDC` answered as `X-USD` is learnt without this.
    pub aliases: Vec<(ProductId, ProductId)>,

    /// How faults are found and healed.
    pub policy: Policy,

    /// The most products that the session may hold. The default is
    /// [`DEFAULT_MAX_PRODUCTS`].
    pub max_products: usize,

    /// Whether requests ask for a token. The default is `false`.
    pub authenticate: bool,

    /// Whether to keep books of products that were not requested, up to
    /// [`max_products`](Self::max_products): for recordings. The default is `false`.
    pub adopt_products: bool,

    /// The number of the first connection; each further one has the next. It comes with every BBO
    /// ([`Bbo::connection`](crate::bbo::Bbo::connection)), so that a program with several sessions
    /// can tell their connections apart. The default is 0.
    ///
    /// Numbers are below 2^40: of a larger one the lower 40 bits count, and 0 follows 2^40 - 1.
    pub first_connection: u64,

    /// The seed of the random part of the waits before dials. The default is 0. Give each process
    /// its own, so that many do not dial in step.
    pub seed: u64,

    /// The wall-clock time at the moment handed to [`Session::new`](super::Session::new), from
    /// which [`Bbo::received_at`](crate::bbo::Bbo::received_at) is counted. The default is `None`:
    /// receipts have no wall-clock time.
    pub started_at: Option<UnixNanos>,
}

/// The default of [`SessionConfig::max_products`].
pub const DEFAULT_MAX_PRODUCTS: usize = 1_000;

impl SessionConfig {
    /// Returns the default settings for these products.
    #[must_use]
    pub fn new(products: impl IntoIterator<Item = ProductId>) -> Self {
        Self {
            products: products.into_iter().collect(),
            aliases: Vec::new(),
            policy: Policy::default(),
            max_products: DEFAULT_MAX_PRODUCTS,
            authenticate: false,
            adopt_products: false,
            first_connection: 0,
            seed: 0,
            started_at: None,
        }
    }

    /// Returns the settings for reading a recording: every product that comes gets a book, and
    /// nothing is ever requested.
    #[must_use]
    pub fn recording() -> Self {
        let mut config = Self::default();
        config.policy.resync = Resync::Passive;
        config.adopt_products = true;
        config
    }
}

impl Default for SessionConfig {
    /// Returns the default settings without products.
    fn default() -> Self {
        Self::new([])
    }
}
