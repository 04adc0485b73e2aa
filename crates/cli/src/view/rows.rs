//! The state of each product, as the views for people show it.

use level2::ProductId;
use level2::book::{Level, Side};
use level2::session::{Product, Session, Status};
use rust_decimal::Decimal;

use crate::format::summary::counter_fields;
use crate::format::text::{FIELD_GAP, join_fields, level_text};

/// The state of a product.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) product: &'a ProductId,
    pub(crate) status: Status,
    /// Its book; `None` unless it is live.
    pub(crate) book: Option<BookRow>,
    /// How often the book was lost to a gap.
    pub(crate) gaps: u64,
    /// How often the book became live again after a loss.
    pub(crate) resyncs: u64,
}

/// A live book.
#[derive(Debug)]
pub(crate) struct BookRow {
    /// The best bids, best first.
    pub(crate) bids: Vec<Level>,
    /// The best asks, best first.
    pub(crate) asks: Vec<Level>,
    /// The best ask minus the best bid, if there are both.
    pub(crate) spread: Option<Decimal>,
    /// The numbers of bids and of asks in the whole book.
    pub(crate) level_counts: (usize, usize),
}

/// Returns the state of every product, with at most `depth` levels a side.
pub(crate) fn rows(session: &Session, depth: usize) -> impl Iterator<Item = Row<'_>> {
    session.products().map(move |product| row(&product, depth))
}

/// Returns the length of the longest product name.
pub(crate) fn name_width(session: &Session) -> usize {
    session.products().map(|product| product.name().as_str().len()).max().unwrap_or_default()
}

/// Returns every product and the counters as lines of text, for the end of a command.
pub(crate) fn closing_lines(session: &Session, depth: usize, width: usize) -> String {
    let counters = join_fields(&counter_fields(session.stats()), width);
    row_lines(session, depth, "", width) + &counters + "\n"
}

/// Returns every product as lines of text. Each begins with a prefix.
pub(crate) fn row_lines(session: &Session, depth: usize, prefix: &str, width: usize) -> String {
    let name_width = name_width(session);
    rows(session, depth).map(|row| row.lines(prefix, name_width, width)).collect()
}

impl Row<'_> {
    /// Returns a line of text with the top of the book, and a line for each further level.
    fn lines(&self, prefix: &str, name_width: usize, width: usize) -> String {
        let Self { product, status, book, gaps, resyncs } = self;
        let head = format!("{prefix}{product:<name_width$}{FIELD_GAP}{status}");
        let indent = head.chars().count();
        let mut fields = vec![head];
        if let Some(book) = book {
            let (bids, asks) = book.level_counts;
            fields.push(book.level_pair(0));
            fields.extend(book.spread.map(|spread| format!("spread {}", spread.normalize())));
            fields.push(format!("levels {bids}/{asks}"));
        }
        fields.extend([format!("gaps {gaps}"), format!("resyncs {resyncs}")]);
        let mut text = join_fields(&fields, width) + "\n";
        if let Some(book) = book {
            for rank in 1..book.bids.len().max(book.asks.len()) {
                text += &format!("{:indent$}{FIELD_GAP}{}\n", "", book.level_pair(rank));
            }
        }
        text
    }
}

impl BookRow {
    /// Returns the bid and the ask of this rank as text, the best ones at rank 0.
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
