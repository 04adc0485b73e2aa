//! What a session is told before it starts.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::book::MAX_LEVELS_PER_SIDE;
use crate::wire::ProductId;

/// The most requests the venue takes from one address in a second, as it states.
pub const MAX_REQUESTS_PER_SECOND: usize = 8;

/// The shortest time between two dials: the venue takes 8 connections a second from one address.
pub const MIN_DIAL_INTERVAL: Duration = Duration::from_millis(125);

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
/// config.resync = Resync::Resubscribe;
/// config.idle_timeout = Duration::from_secs(3);
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The products to keep books of. More can be added and removed later.
    pub products: Vec<ProductId>,

    /// Names that the venue answers under another one: the name asked for, then the venue's.
    ///
    /// `X-USDC` answered as `X-USD` is learnt without being told; this is for the rest.
    pub aliases: Vec<(ProductId, ProductId)>,

    /// What heals the books of a connection. The default is [`Resync::Reconnect`].
    pub resync: Resync,

    /// What one sequence of numbers covers. The default is [`SequenceScope::Connection`].
    pub sequence_scope: SequenceScope,

    /// Whether requests ask for a token. The default is `false`; a feed with credentials sets it.
    pub authenticate: bool,

    /// Whether to ask without a token where the venue refuses even a fresh one. Its public host
    /// serves order books to anyone. The default is `true`.
    pub retry_without_token: bool,

    /// Whether to keep books of products that nobody asked for, up to [`max_products`]: for
    /// recordings. The default is `false`.
    ///
    /// [`max_products`]: Self::max_products
    pub adopt_products: bool,

    /// After this long without any frame the connection is taken for dead. Heartbeats come each
    /// second. The default is 5 s. Only whole frames count: on a line so slow that a snapshot of
    /// several megabytes takes longer than this, raise it.
    pub idle_timeout: Duration,

    /// How long dialling may take, from name look-up to the end of the WebSocket handshake. The
    /// default is 10 s.
    pub connect_timeout: Duration,

    /// How long a snapshot may take to come after it was asked for. The default is 10 s.
    pub snapshot_timeout: Duration,

    /// The shortest time between two requests for the same product's snapshot. The default is
    /// 2 s.
    pub resubscribe_interval: Duration,

    /// How often in a row a product's snapshot is asked for on one connection before the
    /// connection is given up. A product that the new connection does not heal either is asked
    /// for ever more seldom, and costs the others no further connection. The default is 3.
    pub max_resubscribes: u32,

    /// After this long without a change of a live book, while other frames flow, the caller is
    /// told ([`SessionEvent::Quiet`](super::SessionEvent::Quiet)). The book stays: an idle market is legal. The
    /// default is 30 s.
    pub quiet_after: Duration,

    /// After this long without a change a live book counts as lost and is asked for again. The
    /// default is `None`: never.
    pub quiet_limit: Option<Duration>,

    /// The longest wait before the first dial after a loss; it doubles with each further one. The
    /// wait itself is drawn evenly between zero and that. The default is 100 ms.
    pub backoff_min: Duration,

    /// The bound of the longest wait before a dial. The default is 30 s.
    pub backoff_max: Duration,

    /// The waits start over once a connection has had a live book for this long. The default is
    /// 30 s.
    pub healthy_after: Duration,

    /// After this many failed dials in a row the session gives up. The default is `None`: never.
    pub max_failed_dials: Option<NonZeroU32>,

    /// The longest that the venue may keep this client away when it answers a dial with a
    /// `Retry-After`. The default is 5 minutes.
    pub max_retry_after: Duration,

    /// After being turned away this many times in a row the session gives up: by a close code
    /// that says that the client is at fault (1008, 1009, 4000 and above), an HTTP status that
    /// says so (300 to 499), a certificate that is not accepted, or, from the third in a row on, a
    /// message that is too large for this client. Between such dials it always waits long, from
    /// half of [`backoff_max`](Self::backoff_max) up, or as long as a `Retry-After` says. The
    /// default is `None`: never.
    pub max_rejections: Option<NonZeroU32>,

    /// The most products a session may hold. The default is 1,000.
    pub max_products: usize,

    /// The most levels a side of a book may hold. The default is [`MAX_LEVELS_PER_SIDE`].
    pub max_levels_per_side: usize,

    /// The number of the first connection; each further one has the next. It comes with every
    /// best bid and ask ([`Bbo::connection`](crate::bbo::Bbo::connection)). The default is 0;
    /// programs with several sessions can tell their connections apart by it.
    pub first_connection: u64,

    /// The seed of the random part of the waits before dials. The default is 0; give each
    /// process another one, so that many do not dial in step.
    pub seed: u64,
}

impl SessionConfig {
    /// Returns the default settings for these products.
    #[must_use]
    pub fn new(products: impl IntoIterator<Item = ProductId>) -> Self {
        Self {
            products: products.into_iter().collect(),
            aliases: Vec::new(),
            resync: Resync::Reconnect,
            sequence_scope: SequenceScope::Connection,
            authenticate: false,
            retry_without_token: true,
            adopt_products: false,
            idle_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            snapshot_timeout: Duration::from_secs(10),
            resubscribe_interval: Duration::from_secs(2),
            max_resubscribes: 3,
            quiet_after: Duration::from_secs(30),
            quiet_limit: None,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(30),
            max_failed_dials: None,
            max_retry_after: Duration::from_secs(300),
            max_rejections: None,
            max_products: 1_000,
            max_levels_per_side: MAX_LEVELS_PER_SIDE,
            first_connection: 0,
            seed: 0,
        }
    }

    /// Returns the settings for reading a recording: every product that comes gets a book, and
    /// nothing is ever requested.
    #[must_use]
    pub fn recording() -> Self {
        let mut config = Self::new([]);
        config.resync = Resync::Passive;
        config.adopt_products = true;
        config
    }
}

/// What is done when the books of a connection can no longer be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resync {
    /// Nothing: books wait for the next snapshot that comes by itself. For recordings, and for
    /// callers that make their requests themselves.
    Passive,
    /// The connection is dropped and dialled again. Every source agrees that this brings fresh
    /// snapshots.
    Reconnect,
    /// The connection stays; every product is unsubscribed and subscribed again. Cheaper, but
    /// less proven; a product whose snapshot does not come makes it a reconnect.
    Resubscribe,
}

/// What one sequence of numbers covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SequenceScope {
    /// All frames of the connection, as every capture shows and the venue's AsyncAPI page says.
    Connection,
    /// The order-book frames of one product, as the overview page of the documentation says.
    Product,
}
