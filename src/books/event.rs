//! What [`Books`](super::Books) tell, and what their consumers choose to be told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "auth")]
use crate::auth::AuthError;
use crate::bbo::Bbo;
use crate::session::{Cause, LevelChange, SessionEvent};
use crate::wire::ProductId;

/// Something that happened to the books, in the order in which it did for each product.
///
/// Whatever an event takes away was taken from readers before the event was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A frame changed a live book.
    Changed(Change),
    /// What one of the connections tells beside the fate of its products: that it opened, was
    /// lost, is refused something. With a standby this may be without effect on any reader.
    Connection {
        /// The number of the connection, see [`Bbo::connection`].
        connection: u64,
        /// What it tells.
        event: SessionEvent,
    },
    /// A snapshot came: the book is live, and other than before as a whole.
    Live {
        /// The product.
        product: ProductId,
        /// The number of the connection.
        connection: u64,
        /// The number of the frame.
        sequence: u64,
    },
    /// A book can no longer be trusted and was withdrawn, and no standby has it. It is being
    /// healed.
    Lost {
        /// The product.
        product: ProductId,
        /// Why.
        cause: Cause,
    },
    /// The consumer was too slow, and this many events before the next one were thrown away.
    /// Read the books to catch up.
    Missed {
        /// How many.
        count: u64,
    },
    /// A product was unsubscribed.
    Removed {
        /// The product.
        product: ProductId,
    },
    /// The connection that fed a book lost it, and the standby has taken over. The book stays
    /// live, and is another one as a whole: read it before applying further changes to a copy.
    SwitchedOver {
        /// The product.
        product: ProductId,
        /// The number of the connection that lost it.
        from: u64,
        /// The number of the connection that feeds it now.
        to: u64,
        /// Why it was lost.
        cause: Cause,
    },
    /// A request could not be signed and was not sent. The products that it was for will be asked
    /// for again.
    #[cfg(feature = "auth")]
    Unsigned {
        /// The number of the connection.
        connection: u64,
        /// Why.
        error: AuthError,
    },
}

impl Event {
    /// Returns the product that this is about, if it is about one.
    #[must_use]
    pub const fn product(&self) -> Option<&ProductId> {
        match self {
            Self::Changed(Change { product, .. })
            | Self::Live { product, .. }
            | Self::Lost { product, .. }
            | Self::Removed { product }
            | Self::SwitchedOver { product, .. } => Some(product),
            Self::Connection { .. } | Self::Missed { .. } => None,
            #[cfg(feature = "auth")]
            Self::Unsigned { .. } => None,
        }
    }
}

/// What a frame made of a live book.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The product, as it was asked for.
    pub product: ProductId,
    /// The best bid and ask after the frame, with the frame's number and its connection's.
    pub bbo: Bbo,
    /// The levels that the frame changed, in the frame's order, for those who asked for them; with
    /// [`Interest::Top`] those of them within the top levels before or after it.
    pub levels: Option<Arc<[LevelChange]>>,
    /// How many earlier events of the product this one stands for as well, with
    /// [`Delivery::Conflate`].
    pub conflated: u64,
    /// When readers could see it, on the same clock as [`Bbo::received`].
    pub published: Instant,
}

/// What a consumer of events chooses to be told.
///
/// ```
/// use level2::books::{Delivery, EventConfig, Interest};
///
/// // Every change of the best bid or ask of one product; of a backlog only the newest.
/// let mut config = EventConfig::new(Interest::Bbo);
/// config.products = Some(["BTC-USD".parse()?].into());
/// config.delivery = Delivery::Conflate;
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventConfig {
    /// Which changes of books are told. What becomes of a product (live, lost, switched over,
    /// removed) is told in any case.
    pub interest: Interest,
    /// The products to be told of, or `None` for all, later ones included. What connections tell
    /// is told in any case. The default is `None`.
    pub products: Option<BTreeSet<ProductId>>,
    /// What is done about a backlog. The default is a queue of [`DEFAULT_CAPACITY`] events.
    pub delivery: Delivery,
}

impl EventConfig {
    /// Returns the default settings for these changes.
    #[must_use]
    pub const fn new(interest: Interest) -> Self {
        let delivery = Delivery::Queue { capacity: DEFAULT_CAPACITY };
        Self { interest, products: None, delivery }
    }
}

/// How many events wait for a consumer unless it says otherwise.
pub const DEFAULT_CAPACITY: usize = 1_024;

/// Which changes of live books a consumer is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interest {
    /// Those of the best bid or ask: another price or another size.
    Bbo,
    /// All of them, each with the levels that changed.
    Levels,
    /// None.
    Status,
    /// Those within this many levels of a side (at least one), with the levels that changed
    /// there. Costs the feed a walk over as many levels of both sides for each frame; at most
    /// [`MAX_TOP_LEVELS`] are walked.
    Top(usize),
}

/// The most levels of a side that [`Interest::Top`] looks at.
pub const MAX_TOP_LEVELS: usize = 1_000;

/// What is done about events that a consumer has yet to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// Of each product the newest event is kept, and replaces the one before it. It carries no
    /// levels, and what connections tell is left out.
    Conflate,
    /// Up to so many events are kept. Beyond that the oldest are thrown away and counted
    /// ([`Event::Missed`]).
    Queue {
        /// How many, at least one.
        capacity: usize,
    },
}
