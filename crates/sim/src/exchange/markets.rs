//! What a test does to the markets of an exchange.

use rust_decimal::Decimal;

use super::connection::Stream;
use super::engine::Exchange;
use crate::market::TrueChange;
use crate::side::Side;

/// What a test does to the markets.
impl Exchange {
    /// Sets levels of a [scripted](crate::ProductSpec::scripted) product, as side, price and
    /// absolute size; a size of zero deletes the level.
    ///
    /// The levels become true at the end of the running interval, and go out to all subscribers
    /// then, in one frame: bids from the best, then asks from the best. Until then the product has
    /// its former book, and of two sizes for one level the later one counts. While the markets are
    /// [held](Self::hold_markets), or the product is [not listed](Self::list_product), the levels
    /// wait.
    ///
    /// They go out as they are: a size that a level has already, a level that is not there to be
    /// deleted, a bid above the best ask.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use level2_sim::rust_decimal::Decimal;
    /// use level2_sim::{Exchange, ExchangeConfig, ProductSpec, Side};
    ///
    /// let (one, two) = (Decimal::ONE, Decimal::TWO);
    /// let mut exchange = Exchange::new(ExchangeConfig {
    ///     products: vec![ProductSpec::scripted("BTC-USD").starting_levels([
    ///         (Side::Bid, Decimal::from(99), one),
    ///         (Side::Ask, Decimal::from(101), one),
    ///     ])],
    ///     ..ExchangeConfig::default()
    /// });
    /// let id = exchange.connect();
    /// let subscribe = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
    /// exchange.receive(id, Duration::ZERO, subscribe);
    /// while exchange.poll_frame(id).is_some() {}
    ///
    /// exchange.set_levels("BTC-USD", [(Side::Bid, Decimal::from(100), two)]);
    /// exchange.advance(Duration::from_millis(50));
    /// let update = exchange.poll_frame(id).unwrap();
    /// assert!(update.text.contains(r#""price_level":"100","new_quantity":"2""#));
    /// let truth = exchange.truth(id, "BTC-USD", update.sequence.unwrap()).unwrap();
    /// assert_eq!(truth.bid, Some((Decimal::from(100), two)));
    /// ```
    ///
    /// # Panics
    /// If the product is unknown or not scripted, if a price is not above zero or a size is below
    /// zero, or if either has more than eight decimals or is above 90 billion.
    pub fn set_levels(
        &mut self,
        product_id: &str,
        levels: impl IntoIterator<Item = (Side, Decimal, Decimal)>,
    ) {
        let Some(product) = self.listings.resolve(product_id) else {
            panic!("the exchange has no product {product_id} to set levels of");
        };
        let spec = self.listings.get(product).market.spec();
        let changes: Vec<TrueChange> =
            levels.into_iter().map(|(side, price, size)| spec.change(side, price, size)).collect();
        let now = self.now();
        self.listings.set(product, changes, now);
    }

    /// Takes a product off the exchange, or puts it back. An unknown product is ignored.
    ///
    /// A product that is not listed stands still, its subscriptions end silently, and requests for
    /// it are answered as those for an unknown one: the ack leaves it out. What the venue does to
    /// subscriptions of a product that it delists is not known.
    pub fn list_product(&mut self, product_id: &str, is_listed: bool) {
        let Some(product) = self.listings.resolve(product_id) else {
            return;
        };
        let now = self.now();
        self.listings.list(product, is_listed, now);
        if !is_listed {
            for connection in self.connections.iter_mut() {
                if connection.is_subscribed(product) {
                    connection.set_stream(product, Stream::Off);
                }
            }
        }
    }

    /// Stops the markets, or lets them move again. Time and heartbeats go on: hold the markets to
    /// let clients catch up before books are compared.
    pub fn hold_markets(&mut self, are_held: bool) {
        let now = self.now();
        self.listings.hold(are_held, now);
    }
}
