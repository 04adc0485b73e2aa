//! The state of each product and the counters, as they are reported at the end of a command.

use std::fmt::Write;

use crc32fast::Hasher;
use level2::ProductId;
use level2::book::{Book, Level, Side};
use level2::session::{Product, Session, Stats, Status};

/// The state of a product.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) product: &'a ProductId,
    pub(crate) status: Status,
    /// Its book; `None` unless it is live.
    pub(crate) book: Option<BookSummary>,
}

/// A live book.
#[derive(Debug)]
pub(crate) struct BookSummary {
    /// The number of the frame that updated the book last.
    pub(crate) sequence: u64,
    /// The number of bids.
    pub(crate) bids: usize,
    /// The number of asks.
    pub(crate) asks: usize,
    pub(crate) best_bid: Option<Level>,
    pub(crate) best_ask: Option<Level>,
    /// See [`checksum`].
    pub(crate) checksum: u32,
}

/// Returns the state of every product of a session, in the order in which they were added.
pub(crate) fn summaries(session: &Session) -> impl Iterator<Item = Summary<'_>> {
    session.products().map(|product| Summary {
        product: product.name(),
        status: product.status(),
        book: summary_of_book(&product),
    })
}

/// Returns the counters that are reported, with their names in JSON.
pub(crate) const fn counters(stats: &Stats) -> [(&'static str, u64); 8] {
    [
        ("frames", stats.frames),
        ("updates", stats.updates),
        ("gaps", stats.gaps),
        ("duplicates", stats.duplicates),
        ("undecodable", stats.undecodable),
        ("orphan_deletes", stats.orphan_deletes),
        ("resyncs", stats.resyncs),
        ("reconnects", stats.reconnects),
    ]
}

/// Returns the counters as fields of a line of text.
pub(crate) fn counter_fields(stats: &Stats) -> [String; 8] {
    counters(stats).map(|(name, count)| format!("{} {count}", name.replace('_', " ")))
}

/// Returns the CRC-32 (IEEE) of every bid from best to worst and then every ask from best to
/// worst, each as `price:size` and a line feed, without trailing zeros.
///
/// Books with the same levels have the same checksum. Other books differ in it, but for a chance of
/// one in four billion.
fn checksum(book: &Book) -> u32 {
    let mut hasher = Hasher::new();
    let mut text = String::new();
    for Level { price, size } in book.bids().chain(book.asks()) {
        text.clear();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}:{}", price.normalize(), size.normalize());
        hasher.update(text.as_bytes());
    }
    hasher.finalize()
}

fn summary_of_book(product: &Product<'_>) -> Option<BookSummary> {
    let book = product.book().ok()?;
    let bbo = product.bbo().load()?;
    Some(BookSummary {
        sequence: bbo.sequence,
        bids: book.level_count(Side::Bid),
        asks: book.level_count(Side::Ask),
        best_bid: bbo.bid,
        best_ask: bbo.ask,
        checksum: checksum(book),
    })
}
