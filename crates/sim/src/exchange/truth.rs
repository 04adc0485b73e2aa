//! What is true at every number of a connection.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use crate::Side;
use crate::exchange::listing::Listing;
use crate::exchange::{ConnectionId, Exchange};
use crate::market::TrueBook;

/// The true best levels of a product, each as price and size without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrueBbo {
    /// The best bid; `None` if there are no bids.
    pub bid: Option<(Decimal, Decimal)>,
    /// The best ask; `None` if there are no asks.
    pub ask: Option<(Decimal, Decimal)>,
}

impl Exchange {
    /// The true book of a product now, under its own id or its `-USDC` alias.
    #[must_use]
    pub fn true_book(&self, product_id: &str) -> Option<&TrueBook> {
        Some(self.listings[self.resolve(product_id)?].market.book())
    }

    /// The true best levels of a product right after the frame with this number on this
    /// connection, whatever that frame was about.
    ///
    /// There is none before the snapshot of the product, from its unsubscribe on, for a number
    /// that was not used yet, or once the truth of that time has been forgotten. Frames that were
    /// [dropped](Self::drop_next) have a truth as well. Numbers repeat after a
    /// [reset](Self::reset_counter): the answer is for the latest use of the number, looking back
    /// over one reset.
    #[must_use]
    pub fn truth(&self, id: ConnectionId, product_id: &str, sequence: u64) -> Option<TrueBbo> {
        let (product, row) = self.row(id, product_id, sequence)?;
        let book = self.listings[product].market.book();
        let level = |level: (i64, u64)| (level.1 > 0).then(|| book.level(level));
        Some(TrueBbo { bid: level(row.bid), ask: level(row.ask) })
    }

    /// The whole true book of a product right after the frame with this number on this
    /// connection: what a client that applied every frame up to it holds. There is none when
    /// there is no [`truth`](Self::truth), and once the market has changed more often since then
    /// than [`truth_changes_max`](crate::ExchangeConfig::truth_changes_max).
    ///
    /// The present book is copied and the changes since then are undone in the copy, so recent
    /// books cost least.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use level2_sim::{Exchange, ExchangeConfig};
    ///
    /// let mut exchange = Exchange::new(ExchangeConfig::default());
    /// let id = exchange.connect();
    /// let subscribe = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
    /// exchange.receive(id, Duration::ZERO, subscribe);
    /// let at_start = exchange.true_book("BTC-USD").unwrap().clone();
    ///
    /// exchange.advance(Duration::from_secs(10));
    /// assert_ne!(exchange.true_book("BTC-USD"), Some(&at_start));
    /// assert_eq!(exchange.true_book_at(id, "BTC-USD", 0), Some(at_start));
    /// ```
    #[must_use]
    pub fn true_book_at(
        &self,
        id: ConnectionId,
        product_id: &str,
        sequence: u64,
    ) -> Option<TrueBook> {
        let (product, row) = self.row(id, product_id, sequence)?;
        self.listings[product].book_at(row.version)
    }

    /// The row in force at a number, with the place of the product.
    fn row(&self, id: ConnectionId, product_id: &str, sequence: u64) -> Option<(usize, &Row)> {
        let product = self.resolve(product_id)?;
        let connection = self.connections.get(&id)?;
        let epoch = if sequence < connection.sequence_next {
            connection.epoch
        } else if sequence < connection.sequences_before {
            connection.epoch - 1
        } else {
            return None;
        };
        let row = connection.subscriptions.get(&product)?.truth.at(epoch, sequence)?;
        row.is_subscribed.then_some((product, row))
    }
}

/// What is true of a product from a frame on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    sequence: u64,
    epoch: u32,
    /// Nothing is true of what nobody asked for.
    is_subscribed: bool,
    /// Price in ticks and size in units of the best levels; a size of zero is no level.
    bid: (i64, u64),
    ask: (i64, u64),
    /// The [version](Listing::version) of the book.
    version: u64,
}

impl Row {
    /// The present truth of a product, at no number yet.
    pub(super) fn of(listing: &Listing) -> Self {
        let book = listing.market.book();
        Self {
            sequence: 0,
            epoch: 0,
            is_subscribed: true,
            bid: book.best(Side::Bid).unwrap_or_default(),
            ask: book.best(Side::Ask).unwrap_or_default(),
            version: listing.version(),
        }
    }

    pub(super) fn unsubscribed(epoch: u32, sequence: u64) -> Self {
        Self { sequence, epoch, is_subscribed: false, bid: (0, 0), ask: (0, 0), version: 0 }
    }

    pub(super) fn at(self, epoch: u32, sequence: u64) -> Self {
        Self { epoch, sequence, ..self }
    }
}

/// The rows of a product on a connection, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rows(VecDeque<Row>);

impl Rows {
    pub(super) fn push(&mut self, row: Row, rows_max: usize) {
        self.0.push_back(row);
        if self.0.len() > rows_max {
            self.0.pop_front();
        }
    }

    /// The row in force at a number.
    fn at(&self, epoch: u32, sequence: u64) -> Option<&Row> {
        // Most often the newest one is asked for.
        let newest = self.0.back()?;
        if (newest.epoch, newest.sequence) <= (epoch, sequence) {
            return Some(newest);
        }
        let after = self.0.partition_point(|row| (row.epoch, row.sequence) <= (epoch, sequence));
        self.0.get(after.checked_sub(1)?)
    }
}
