//! How a product and the books as a whole stand.

use std::fmt;
use std::time::{Duration, Instant};

use crate::session::{ProductStats, Session, Stats, Status};
use crate::wire::ProductId;

/// How old the data of a live book is. With the feature `serde` it can be written, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Age {
    /// The time since the last frame of its connection, heartbeats included: how long ago the
    /// venue last sent anything.
    #[cfg_attr(feature = "serde", serde(rename = "connection_s", serialize_with = "as_seconds"))]
    pub connection: Duration,
    /// The time since the book last changed. Long in an idle market.
    #[cfg_attr(feature = "serde", serde(rename = "book_s", serialize_with = "as_seconds"))]
    pub book: Duration,
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {:?}, book {:?}", self.connection, self.book)
    }
}

#[cfg(feature = "serde")]
fn as_seconds<S: serde::Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(age.as_secs_f64())
}

/// How a product stands.
///
/// Displayed on one line. With the feature `serde` it can be written, without the moments of the
/// monotonic clock, which mean nothing elsewhere; [`Books::age`](super::Books::age) has durations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ProductStatus {
    /// Whether its book may be trusted.
    pub status: Status,
    /// When the status last changed. Not written.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub since: Instant,
    /// The name that the venue answers under, as far as it is known.
    pub canonical_name: ProductId,
    /// The number of its connection, see [`Bbo::connection`](crate::bbo::Bbo::connection), or
    /// `None` while the product is on its way from one connection to another.
    pub connection: Option<u64>,
    /// When the last frame came on the connection, or on the one before it. Not written.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub last_frame: Option<Instant>,
    /// When the live book last changed, or `None` if it is not live. Not written.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub last_change: Option<Instant>,
    /// Its counters on this connection.
    pub stats: ProductStats,
}

impl ProductStatus {
    /// Returns how a product stands in a session. One that is in none of its lanes' sessions is on
    /// its way from one connection to another, and was subscribed to at `since`.
    pub(super) fn of(session: &Session, name: &ProductId, since: Instant) -> Self {
        let Ok(product) = session.product(name.as_str()) else {
            return Self {
                status: Status::Syncing,
                since,
                canonical_name: name.clone(),
                connection: None,
                last_frame: None,
                last_change: None,
                stats: ProductStats::default(),
            };
        };
        Self {
            status: product.status(),
            since: product.since(),
            canonical_name: product.canonical_name().clone(),
            connection: Some(session.connection()),
            last_frame: session.last_frame(),
            last_change: product.last_change(),
            stats: *product.stats(),
        }
    }
}

impl fmt::Display for ProductStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, canonical_name, connection, stats, .. } = self;
        let ProductStats { updates, losses, resyncs, .. } = stats;
        write!(f, "{canonical_name} {status}")?;
        if let Some(connection) = connection {
            write!(f, " on connection {connection}")?;
        }
        write!(f, ": {updates} updates, {losses} losses, {resyncs} resyncs")
    }
}

/// Counts of products and connections, and the counters of all sessions.
///
/// Displayed on one line. With the feature `serde` it can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BooksStats {
    /// Products that are subscribed to.
    pub products: usize,
    /// Products whose book is live.
    pub live: usize,
    /// Products whose book is live on both of their connections: each would outlive the loss of
    /// one. None without [`Redundancy::Standby`](super::Redundancy::Standby).
    pub covered: usize,
    /// Connections that the products need, standbys included.
    pub connections: usize,
    /// Connections that are open.
    pub open: usize,
    /// The counters of all connections, closed ones included.
    pub session: Stats,
}

impl fmt::Display for BooksStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { products, live, covered, connections, open, session } = self;
        write!(
            f,
            "{live} of {products} products live, {covered} covered; {open} of {connections} \
             connections open; {} frames, {} gaps, {} reconnects",
            session.frames, session.gaps, session.reconnects
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Cause, SessionConfig};

    #[test]
    fn status_and_counters_print_on_one_line() {
        let now = Instant::now();
        let name: ProductId = "BTC-USD".parse().unwrap();
        let session = Session::new(SessionConfig::new([]), now);
        let mut status = ProductStatus::of(&session, &name, now);
        status.status = Status::Lost(Cause::Gap);
        (status.connection, status.stats.updates, status.stats.losses) = (Some(3), 120, 1);
        assert_eq!(
            status.to_string(),
            "BTC-USD lost (gap) on connection 3: 120 updates, 1 losses, 0 resyncs"
        );
        let stats = BooksStats { products: 25, live: 24, connections: 3, ..BooksStats::default() };
        assert_eq!(
            stats.to_string(),
            "24 of 25 products live, 0 covered; 0 of 3 connections open; 0 frames, 0 gaps, 0 \
             reconnects"
        );
        let age = Age { connection: Duration::from_millis(30), book: Duration::from_secs(4) };
        assert_eq!(age.to_string(), "connection 30ms, book 4s");
        #[cfg(feature = "serde")]
        {
            let written = serde_json::to_value(&status).unwrap();
            assert_eq!(written["status"], serde_json::json!({ "lost": "gap" }));
            assert_eq!(written["stats"]["losses"], 1);
            assert!(written.get("since").is_none() && written.get("last_frame").is_none());
            assert_eq!(serde_json::to_value(stats).unwrap()["products"], 25);
            let written = serde_json::to_string(&age).unwrap();
            assert_eq!(written, r#"{"connection_s":0.03,"book_s":4.0}"#);
        }
    }
}
