//! What the views for people say of each product, read off a session at one moment.

use level2::ProductId;
use level2::book::{Level, Side};
use level2::session::{Product, Session, Status};
use rust_decimal::Decimal;

use crate::format::summary::counters_line;
use crate::format::text::level_text;

/// A product at one moment.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) product: &'a ProductId,
    pub(crate) status: Status,
    /// What its book shows; `None` unless it is live.
    pub(crate) book: Option<BookRow>,
    pub(crate) gaps: u64,
    pub(crate) resyncs: u64,
}

/// A live book at one moment.
#[derive(Debug)]
pub(crate) struct BookRow {
    /// The best bids, best first.
    pub(crate) bids: Vec<Level>,
    /// The best asks, best first.
    pub(crate) asks: Vec<Level>,
    /// How far the best ask is above the best bid, if there are both.
    pub(crate) spread: Option<Decimal>,
    /// How many bids and asks there are.
    pub(crate) level_counts: (usize, usize),
}

/// Reads off every product, with at most `depth` levels a side.
pub(crate) fn rows(session: &Session, depth: usize) -> impl Iterator<Item = Row<'_>> {
    session.products().map(move |product| row(&product, depth))
}

/// Returns how everything stands, as lines, for the end of a command.
pub(crate) fn closing_lines(session: &Session, depth: usize) -> String {
    row_lines(session, depth, "") + &counters_line(session.stats()) + "\n"
}

/// Returns every product as lines of text, each after a prefix.
pub(crate) fn row_lines(session: &Session, depth: usize, prefix: &str) -> String {
    let names = session.products().map(|product| product.name().as_str().len());
    let name_width = names.max().unwrap_or_default();
    rows(session, depth).map(|row| row.lines(prefix, name_width)).collect()
}

impl Row<'_> {
    /// Returns the product as lines of text: one, and one more for each further level.
    fn lines(&self, prefix: &str, name_width: usize) -> String {
        let Self { product, status, book, gaps, resyncs } = self;
        let head = format!("{prefix}{product:<name_width$}  {status}");
        let tail = format!("  gaps {gaps}  resyncs {resyncs}\n");
        let Some(book) = book else { return head + &tail };
        let (bids, asks) = book.level_counts;
        let mut text = format!("{head}  {}", book.level_pair(0));
        if let Some(spread) = book.spread {
            text += &format!("  spread {}", spread.normalize());
        }
        text += &format!("  levels {bids}/{asks}{tail}");
        for rank in 1..book.bids.len().max(book.asks.len()) {
            text += &format!("{:1$}  {2}\n", "", head.chars().count(), book.level_pair(rank));
        }
        text
    }
}

impl BookRow {
    fn level_pair(&self, rank: usize) -> String {
        let [bid, ask] = [&self.bids, &self.asks].map(|levels| {
            levels.get(rank).map_or_else(|| "-".to_owned(), |level| level_text(*level))
        });
        format!("{bid} | {ask}")
    }
}

fn row<'a>(product: &Product<'a>, depth: usize) -> Row<'a> {
    let stats = product.stats();
    let book = product.book().ok().map(|book| {
        let (bid, ask) = (book.best_bid(), book.best_ask());
        // Prices of a book fit 64 bits each, so their difference fits a decimal's 96.
        let spread = bid.zip(ask).and_then(|(bid, ask)| ask.price.checked_sub(bid.price));
        BookRow {
            bids: book.bids().take(depth).collect(),
            asks: book.asks().take(depth).collect(),
            spread,
            level_counts: (book.level_count(Side::Bid), book.level_count(Side::Ask)),
        }
    });
    Row {
        product: product.name(),
        status: product.status(),
        book,
        gaps: stats.gaps,
        resyncs: stats.resyncs,
    }
}
