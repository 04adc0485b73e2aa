//! What is said of each product at the end, and of the connection.

use std::fmt::Write;

use crc32fast::Hasher;
use level2::ProductId;
use level2::book::{Book, Level, Side};
use level2::session::{Product, Session, Stats, Status};

/// A product as it stands.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) product: &'a ProductId,
    pub(crate) status: Status,
    /// What its book holds; `None` unless it is live.
    pub(crate) book: Option<BookSummary>,
}

/// What a live book holds.
#[derive(Debug)]
pub(crate) struct BookSummary {
    /// The number of the frame that last touched it.
    pub(crate) sequence: u64,
    pub(crate) bids: usize,
    pub(crate) asks: usize,
    pub(crate) best_bid: Option<Level>,
    pub(crate) best_ask: Option<Level>,
    /// See [`checksum`].
    pub(crate) checksum: u32,
}

/// Sums up every product of a session, in the order in which they came.
pub(crate) fn summaries(session: &Session) -> impl Iterator<Item = Summary<'_>> {
    session.products().map(|product| Summary {
        product: product.name(),
        status: product.status(),
        book: summary_of_book(&product),
    })
}

/// Returns the counters that are shown, under their names in JSON.
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

/// Returns the counters as one line of text.
pub(crate) fn counters_line(stats: &Stats) -> String {
    let words = counters(stats).map(|(name, count)| format!("{} {count}", name.replace('_', " ")));
    words.join("  ")
}

/// Returns the CRC-32 (IEEE) of every bid from best to worst and then every ask from best to
/// worst, each as `price:size` and a line feed, without trailing zeros.
///
/// Two books have the same levels if, and as good as only if, they have the same checksum.
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
