//! What is true at every number of a connection.

use rust_decimal::Decimal;

use super::connection::ConnectionId;
use super::engine::Exchange;
use super::rows::Row;
use crate::market::TrueBook;

/// The true best levels of a product, each as price and size without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrueBbo {
    /// The best bid; `None` if there are no bids.
    pub bid: Option<(Decimal, Decimal)>,
    /// The best ask; `None` if there are no asks.
    pub ask: Option<(Decimal, Decimal)>,
}

/// What is true, now and at earlier frames.
impl Exchange {
    /// Returns the true book of a product now, by its own id or its `-USDC` alias.
    #[must_use]
    pub fn true_book(&self, product_id: &str) -> Option<&TrueBook> {
        let product = self.listings.resolve(product_id)?;
        Some(self.listings.get(product).market.book())
    }

    /// Returns the true best levels of a product right after the frame with this number on this
    /// connection. The frame may be of another product or channel.
    ///
    /// There is none before the snapshot of the product, from its unsubscribe on, for a number
    /// that was not used yet, or once the truth of that time has been forgotten. Frames that were
    /// [dropped](Self::drop_next) have a truth as well. Numbers repeat after a
    /// [reset](Self::reset_counter): the answer is for the latest use of the number, looking back
    /// over one reset.
    #[must_use]
    pub fn truth(&self, id: ConnectionId, product_id: &str, sequence: u64) -> Option<TrueBbo> {
        let (product, row) = self.row(id, product_id, sequence)?;
        let book = self.listings.get(product).market.book();
        let level = |level: (i64, u64)| (level.1 > 0).then(|| book.level(level));
        Some(TrueBbo { bid: level(row.bid), ask: level(row.ask) })
    }

    /// Returns the whole true book of a product right after the frame with this number on this
    /// connection: the book of a client that applied every frame up to it. There is none when
    /// there is no [`truth`](Self::truth), and once the market has changed more often since then
    /// than [`max_truth_changes`](crate::ExchangeConfig::max_truth_changes).
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
        self.listings.get(product).book_at(row.version)
    }

    /// Returns the row in force at a number, with the index of the product.
    fn row(&self, id: ConnectionId, product_id: &str, sequence: u64) -> Option<(usize, &Row)> {
        let product = self.listings.resolve(product_id)?;
        let row = self.connections.get(id)?.row(product, sequence)?;
        row.is_subscribed.then_some((product, row))
    }
}
