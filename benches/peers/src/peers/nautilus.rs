//! `nautilus-model`: the order book of a trading platform, in its own fixed-point numbers; and
//! `nautilus-coinbase`: its reading of this venue's frames into changes of that book.
//!
//! Both without the feature `high-precision`, which doubles the width of the numbers. The reading
//! does not check the numbers of the frames.

use std::collections::HashMap;
use std::hint::black_box;
use std::ops::Range;

use nautilus_coinbase::http::parse::parse_rfc3339_timestamp;
use nautilus_coinbase::websocket::messages::{CoinbaseWsMessage, WsEventType};
use nautilus_coinbase::websocket::parse::{parse_ws_l2_snapshot, parse_ws_l2_update};
use nautilus_model::data::{BookOrder, OrderBookDelta, OrderBookDeltas};
use nautilus_model::enums::{BookAction, BookType, OrderSide};
use nautilus_model::identifiers::InstrumentId;
use nautilus_model::instruments::{CurrencyPair, InstrumentAny};
use nautilus_model::orderbook::{BookLevel, OrderBook};
use nautilus_model::types::{Currency, Price, Quantity};

use crate::contest::{Books, Contestant, PeerBook, Verdict, judge_books};
use crate::feed::{Best, Change, Event, Feed, Ladders, Product};

struct WholePath<'a> {
    feed: &'a Feed,
    /// What the platform knows of each product, and its book.
    books: HashMap<String, (InstrumentAny, Nautilus)>,
}

pub(super) fn whole_path(feed: &Feed) -> Box<dyn Contestant + '_> {
    Box::new(WholePath { feed, books: HashMap::new() })
}

/// Returns what the platform learns of a product before it subscribes.
fn currency_pair(product: &Product) -> InstrumentAny {
    let (base, quote) = product.name.split_once('-').expect("products are named base, dash, quote");
    let (price_scale, size_scale) = (product.price_scale, product.size_scale);
    let id = instrument(product);
    let pair = CurrencyPair::new(
        id,
        id.symbol,
        Currency::get_or_create_crypto(base),
        Currency::get_or_create_crypto(quote),
        price_scale,
        size_scale,
        Price::from_mantissa_exponent(1, exponent(price_scale), price_scale),
        Quantity::from_mantissa_exponent(1, exponent(size_scale), size_scale),
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        0.into(),
        0.into(),
    );
    InstrumentAny::CurrencyPair(pair)
}

impl WholePath<'_> {
    /// Passes over what is refused, as the platform does.
    fn take_text(&mut self, text: &str) {
        let Ok(message) = serde_json::from_str(text) else { return };
        let CoinbaseWsMessage::L2Data { timestamp, events, .. } = message else { return };
        let time = parse_rfc3339_timestamp(&timestamp).expect("every frame has a time");
        for event in &events {
            let held = self.books.get_mut(event.product_id.as_str());
            let (instrument, book) = held.expect("every product was collected");
            let deltas = match event.event_type {
                WsEventType::Snapshot => parse_ws_l2_snapshot(event, instrument, time, time),
                WsEventType::Update => parse_ws_l2_update(event, instrument, time, time),
            };
            if let Ok(deltas) = deltas {
                book.apply_deltas(&deltas);
                black_box(book.touch());
            }
        }
    }

    fn book(&self, product: &Product) -> &Nautilus {
        let (_, book) = self.books.get(&product.name).expect("every product was collected");
        book
    }
}

impl Contestant for WholePath<'_> {
    fn restart(&mut self) {
        let products = self.feed.products.iter();
        let books = products.map(|product| {
            (product.name.clone(), (currency_pair(product), Nautilus::new(product)))
        });
        self.books = books.collect();
    }

    fn take(&mut self, frames: Range<usize>) {
        let feed = self.feed;
        for text in &feed.stream.frames()[frames] {
            self.take_text(text);
        }
    }

    fn judge(&mut self, feed: &Feed) -> Verdict {
        judge_books(self, feed)
    }
}

impl Books for WholePath<'_> {
    fn best(&self, product: usize) -> Best {
        let product = &self.feed.products[product];
        self.book(product).best(product)
    }

    fn ladders(&self, product: usize) -> Ladders {
        let product = &self.feed.products[product];
        self.book(product).ladders(product)
    }
}

pub(crate) struct Nautilus(OrderBook);

/// A price and a size as the book states them.
type Stated = (Option<Price>, Option<Quantity>);

/// Returns the exponent of numbers with so many digits after the point.
fn exponent(scale: u8) -> i8 {
    -scale.cast_signed()
}

fn instrument(product: &Product) -> InstrumentId {
    InstrumentId::from(format!("{}.COINBASE", product.name).as_str())
}

/// Returns the level as an order, or `None` if the numbers do not hold it.
fn order(product: &Product, change: &Change) -> Option<BookOrder> {
    let (price, size) = change.decimals();
    let price = Price::from_decimal_dp(price, product.price_scale).ok()?;
    let size = Quantity::from_decimal_dp(size, product.size_scale).ok()?;
    let side = if change.is_bid() { OrderSide::Buy } else { OrderSide::Sell };
    // A book of levels numbers its orders by their prices.
    Some(BookOrder::new(side, price, size, 0))
}

impl Nautilus {
    fn apply_deltas(&mut self, deltas: &OrderBookDeltas) {
        self.0.apply_deltas(deltas).expect("the levels are of this instrument and have sides");
    }
}

impl PeerBook for Nautilus {
    /// There are no changes without any.
    type Input = Option<OrderBookDeltas>;
    type Touch = [Stated; 2];

    fn new(product: &Product) -> Self {
        Self(OrderBook::new(instrument(product), BookType::L2_MBP))
    }

    fn input(product: &Product, event: &Event, number: u64) -> Self::Input {
        let (id, time) = (instrument(product), number.into());
        let clear = event.is_snapshot.then(|| OrderBookDelta::clear(id, number, time, time));
        let changes = event.changes.iter().filter_map(|change| {
            let action = match (change.held.units, event.is_snapshot) {
                (0, _) => BookAction::Delete,
                (_, true) => BookAction::Add,
                (_, false) => BookAction::Update,
            };
            let order = order(product, change)?;
            Some(OrderBookDelta::new(id, action, order, 0, number, time, time))
        });
        let deltas: Vec<_> = clear.into_iter().chain(changes).collect();
        (!deltas.is_empty()).then(|| OrderBookDeltas::new(id, deltas))
    }

    fn apply(&mut self, input: &Self::Input) {
        if let Some(deltas) = input {
            self.apply_deltas(deltas);
        }
    }

    fn touch(&self) -> Self::Touch {
        let book = &self.0;
        [
            (book.best_bid_price(), book.best_bid_size()),
            (book.best_ask_price(), book.best_ask_size()),
        ]
    }

    fn best(&self, product: &Product) -> Best {
        let [bid, ask] = self.touch().map(|(price, size)| {
            let (price, size) = price.zip(size)?;
            Some(product.held(price.as_decimal(), size.as_decimal()))
        });
        Best { bid, ask }
    }

    fn ladders(&self, product: &Product) -> Ladders {
        let held =
            |level: &BookLevel| product.held(level.price.value.as_decimal(), level.size_decimal());
        Ladders::of(self.0.bids(None).map(held), self.0.asks(None).map(held))
    }
}
