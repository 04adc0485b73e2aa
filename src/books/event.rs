//! Events of [`Books`](super::Books), and which of them a consumer receives.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "auth")]
use crate::auth::AuthError;
use crate::bbo::Bbo;
use crate::session::{Cause, LevelChange, SessionEvent};
use crate::wire::ProductId;

/// Something that happened to the books. Events of one product come in the order in which they
/// happened.
///
/// A book that an event reports as lost was withdrawn from readers before the event was made.
///
/// Displayed on one line. With the feature `serde` an event can be written: its kind under the key
/// `event`, errors as text, and without moments of the monotonic clock, which mean nothing
/// elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// A frame changed a live book.
    Changed(Change),
    /// A connection-level event: opened, lost, request refused. With a standby it may have no
    /// effect on any reader.
    Connection {
        /// The number of the connection, see [`Bbo::connection`].
        connection: u64,
        /// What happened to it. Written under the key `session`.
        #[cfg_attr(feature = "serde", serde(rename = "session"))]
        event: SessionEvent,
    },
    /// A snapshot came: the book is live, and has changed as a whole.
    Live {
        /// The product.
        product: ProductId,
        /// The number of the connection.
        connection: u64,
        /// The number of the frame.
        sequence: u64,
    },
    /// A book can no longer be trusted and was withdrawn, and no standby has one. It heals in the
    /// background.
    Lost {
        /// The product.
        product: ProductId,
        /// Why.
        cause: Cause,
    },
    /// The consumer was too slow, and events before the next one were dropped. Read the books to
    /// catch up.
    Missed {
        /// How many events were dropped.
        count: u64,
    },
    /// A product was unsubscribed.
    Removed {
        /// The product.
        product: ProductId,
    },
    /// The connection that fed a book lost it, and the standby has taken over. The book stays
    /// live, and has changed as a whole: read it before applying further changes to a copy.
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
    /// A request could not be signed and was not sent. It will be repeated.
    #[cfg(feature = "auth")]
    Unsigned {
        /// The number of the connection.
        connection: u64,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
        error: AuthError,
    },
}

impl Event {
    /// Returns the product of the event, or `None` for one of a connection or a consumer.
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

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(change) => change.fmt(f),
            Self::Connection { connection, event } => {
                write!(f, "connection {connection}: {event}")
            }
            Self::Live { product, connection, sequence } => {
                write!(f, "{product} is live from frame {sequence} of connection {connection}")
            }
            Self::Lost { product, cause } => write!(f, "{product} is lost ({cause})"),
            Self::Missed { count } => write!(f, "{count} events were missed"),
            Self::Removed { product } => write!(f, "{product} was unsubscribed"),
            Self::SwitchedOver { product, from, to, cause } => write!(
                f,
                "{product} switched over from connection {from}, which lost it ({cause}), to \
                 connection {to}"
            ),
            #[cfg(feature = "auth")]
            Self::Unsigned { connection, error } => {
                write!(f, "connection {connection}: a request was not signed: {error}")
            }
        }
    }
}

#[cfg(all(feature = "auth", feature = "serde"))]
fn as_text<S: serde::Serializer>(error: &AuthError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

/// A change of a live book by one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Change {
    /// The product, as it was requested.
    pub product: ProductId,
    /// The BBO after the frame, with the frame's number and its connection's.
    pub bbo: Bbo,
    /// The levels that the frame changed, in the frame's order, if the consumer wants them;
    /// with [`Interest::Top`] those of them within the top levels before or after it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_slice"))]
    pub levels: Option<Arc<[LevelChange]>>,
    /// How many earlier events of the product this one replaced, with [`Delivery::Conflate`].
    pub conflated: u64,
    /// When readers could see it, on the same clock as [`Bbo::received`]. Not written.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub published: Instant,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, bbo, levels, conflated, .. } = self;
        write!(f, "{product} changed: {bbo}")?;
        if let Some(levels) = levels {
            write!(f, ", {} levels changed", levels.len())?;
        }
        match conflated {
            0 => Ok(()),
            count => write!(f, ", {count} changes before it conflated"),
        }
    }
}

#[cfg(feature = "serde")]
fn as_slice<S: serde::Serializer>(
    levels: &Option<Arc<[LevelChange]>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&levels.as_deref(), serializer)
}

/// Which events a consumer receives, and how.
///
/// ```
/// use level2::books::{Delivery, EventConfig, Interest};
///
/// // Every change of the BBO of one product; of a backlog only the newest.
/// let mut config = EventConfig::new(Interest::Bbo);
/// config.products = Some(["BTC-USD".parse()?].into());
/// config.delivery = Delivery::Conflate;
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct EventConfig {
    /// Which changes of books are sent. What becomes of a product (live, lost, switched over,
    /// removed) is sent in any case.
    pub interest: Interest,
    /// The products of interest, or `None` for all, later ones included. Connection-level events
    /// are sent in any case. The default is `None`.
    pub products: Option<BTreeSet<ProductId>>,
    /// What happens to a backlog. The default is a queue of [`DEFAULT_CAPACITY`] events.
    #[cfg_attr(feature = "serde", serde(default = "Delivery::bounded"))]
    pub delivery: Delivery,
}

impl EventConfig {
    /// Returns the default settings for these changes.
    #[must_use]
    pub const fn new(interest: Interest) -> Self {
        Self { interest, products: None, delivery: Delivery::bounded() }
    }
}

/// The default capacity of a consumer's queue, in events.
pub const DEFAULT_CAPACITY: usize = 1_024;

/// Which changes of live books a consumer receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Interest {
    /// Changes of the BBO: another price or another size.
    Bbo,
    /// All changes, each with the levels that changed.
    Levels,
    /// No changes: only what becomes of products and connections.
    Status,
    /// Changes within this many levels of a side (at least one), with the levels that changed
    /// there. Costs the feed a walk over as many levels of both sides for each frame; at most
    /// [`MAX_TOP_LEVELS`] are walked.
    Top(usize),
}

/// The most levels of a side that [`Interest::Top`] looks at.
pub const MAX_TOP_LEVELS: usize = 1_000;

/// What happens to events that a consumer has yet to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Delivery {
    /// The newest event of each product is kept, and replaces the one before it. It carries no
    /// levels, and connection-level events are left out.
    Conflate,
    /// Up to `capacity` events are kept. Beyond that the oldest are dropped and counted
    /// ([`Event::Missed`]).
    Queue {
        /// The capacity in events. At least one is kept.
        capacity: usize,
    },
}

impl Delivery {
    /// Returns a queue of the default capacity.
    const fn bounded() -> Self {
        Self::Queue { capacity: DEFAULT_CAPACITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbo::{FrameOrigin, bbo_channel};
    use crate::book::{Book, Side};
    use crate::session::Disconnect;
    use crate::units::Fixed;

    fn id(name: &str) -> ProductId {
        ProductId::new(name).unwrap()
    }

    fn change() -> Change {
        let mut book = Book::new();
        let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
        book.set(Side::Bid, number("100.25"), number("0.5")).unwrap();
        let now = Instant::now();
        let (mut publisher, reader) = bbo_channel(now.into());
        let origin = FrameOrigin { sequence: 42, connection: 3, event_time: None, received: now };
        publisher.publish(&book.tops(), origin);
        let bbo = reader.load().unwrap();
        let level = LevelChange { side: Side::Ask, price: 101.into(), size: None };
        Change {
            product: id("BTC-USD"),
            bbo,
            levels: Some([level].into()),
            conflated: 0,
            published: now,
        }
    }

    #[test]
    fn each_event_prints_on_one_line() {
        let product = id("BTC-USD");
        let idle = SessionEvent::Disconnected { reason: Disconnect::ByCaller };
        let conflated = Change { levels: None, conflated: 2, ..change() };
        for (event, text) in [
            (
                Event::Changed(change()),
                "BTC-USD changed: bid 0.5 @ 100.25, no ask, sequence 42, 1 levels changed",
            ),
            (
                Event::Changed(conflated),
                "BTC-USD changed: bid 0.5 @ 100.25, no ask, sequence 42, 2 changes before it \
                 conflated",
            ),
            (
                Event::Connection { connection: 3, event: idle },
                "connection 3: disconnected: closed by the caller",
            ),
            (
                Event::Live { product: product.clone(), connection: 3, sequence: 7 },
                "BTC-USD is live from frame 7 of connection 3",
            ),
            (Event::Lost { product: product.clone(), cause: Cause::Gap }, "BTC-USD is lost (gap)"),
            (Event::Missed { count: 9 }, "9 events were missed"),
            (Event::Removed { product: product.clone() }, "BTC-USD was unsubscribed"),
            (
                Event::SwitchedOver { product, from: 1, to: 2, cause: Cause::Idle },
                "BTC-USD switched over from connection 1, which lost it (idle), to connection 2",
            ),
        ] {
            assert_eq!(event.to_string(), text);
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn events_are_written_with_their_kind_and_without_moments() {
        let written = |event| serde_json::to_value(event).unwrap();
        let changed = written(Event::Changed(change()));
        assert_eq!(changed["event"], "changed");
        assert_eq!(changed["bbo"]["bid"]["price"], "100.25");
        assert_eq!(changed["levels"][0]["price"], "101");
        assert!(changed["levels"][0]["size"].is_null() && changed.get("published").is_none());
        let connected = SessionEvent::Connected;
        assert_eq!(
            written(Event::Connection { connection: 3, event: connected }),
            serde_json::json!({
                "event": "connection", "connection": 3, "session": {"event": "connected"},
            })
        );
        let product = id("BTC-USD");
        assert_eq!(
            written(Event::SwitchedOver { product, from: 1, to: 2, cause: Cause::Gap }),
            serde_json::json!({
                "event": "switched_over", "product": "BTC-USD", "from": 1, "to": 2, "cause": "gap",
            })
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn event_settings_are_read_as_they_are_written() {
        let mut config = EventConfig::new(Interest::Top(5));
        config.products = Some([id("BTC-USD")].into());
        for delivery in [Delivery::Conflate, Delivery::Queue { capacity: 9 }] {
            config.delivery = delivery;
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<EventConfig>(&text).unwrap(), config, "{text}");
        }
        let short = serde_json::from_str::<EventConfig>(r#"{"interest":"levels"}"#).unwrap();
        assert_eq!(short, EventConfig::new(Interest::Levels));
        assert!(
            serde_json::from_str::<EventConfig>(r#"{"interest":"bbo","produkts":[]}"#).is_err()
        );
    }
}
