//! A stream, parsed once outside of all timing, and the answers that are right after each frame.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use level2::Level;
use level2::book::{Book, Fixed, Side};
use rust_decimal::Decimal;

use crate::support::frame_text::{EventText, FrameText, LevelText};
use crate::support::level2_stack::Level2;
use crate::support::stream::Stream;

/// A level in whole ticks and whole units of size, whatever a peer counts in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) ticks: i64,
    pub(crate) units: i64,
}

/// The best bid and the best ask of a book.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Best {
    pub(crate) bid: Option<Held>,
    pub(crate) ask: Option<Held>,
}

/// All bids and all asks of a book: units by ticks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ladders {
    pub(crate) bids: BTreeMap<i64, i64>,
    pub(crate) asks: BTreeMap<i64, i64>,
}

impl Ladders {
    /// Collects levels of any order.
    pub(crate) fn of(
        bids: impl IntoIterator<Item = Held>,
        asks: impl IntoIterator<Item = Held>,
    ) -> Self {
        let pair = |held: Held| (held.ticks, held.units);
        Self {
            bids: bids.into_iter().map(pair).collect(),
            asks: asks.into_iter().map(pair).collect(),
        }
    }

    /// Returns the levels at the given ticks, and how many others there are.
    pub(crate) fn split(mut self, ticks: &RangeInclusive<i64>) -> (Self, usize) {
        let len = |ladders: &Self| ladders.bids.len() + ladders.asks.len();
        let before = len(&self);
        for side in [&mut self.bids, &mut self.asks] {
            side.retain(|at, _| ticks.contains(at));
        }
        let outside = before - len(&self);
        (self, outside)
    }

    /// Returns how many levels are missing here, too many, or of another size.
    pub(crate) fn differences_to(&self, right: &Self) -> usize {
        let sides = [(&self.bids, &right.bids), (&self.asks, &right.asks)];
        let differences = sides.map(|(held, right)| {
            let wrong = right.iter().filter(|(ticks, units)| held.get(ticks) != Some(units));
            let surplus = held.keys().filter(|ticks| !right.contains_key(ticks));
            wrong.count() + surplus.count()
        });
        differences.iter().sum()
    }
}

/// What a peer may know of a product before its first frame.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) name: String,
    /// How many digits after the point prices and sizes have at most, in this stream.
    pub(crate) price_scale: u8,
    pub(crate) size_scale: u8,
    /// The same as the floats that are nearest to one tick and to one unit.
    pub(crate) tick_size: f64,
    pub(crate) lot_size: f64,
    /// The best bid of the first snapshot.
    pub(crate) market: f64,
}

impl Product {
    /// Returns a level of exact numbers, or panics if it lies between two ticks.
    pub(crate) fn held(&self, price: Decimal, size: Decimal) -> Held {
        let whole = |number: Decimal, scale: u8| {
            let number = Fixed::try_from(number).expect("a number of the stream");
            number.ticks(scale).expect("a whole number of ticks")
        };
        Held { ticks: whole(price, self.price_scale), units: whole(size, self.size_scale) }
    }

    /// Returns the level that floats are nearest to, so that being binary is not held against
    /// them.
    pub(crate) fn held_near(&self, price: f64, size: f64) -> Held {
        Held { ticks: (price / self.tick_size).round() as i64, units: self.units_near(size) }
    }

    pub(crate) fn units_near(&self, size: f64) -> i64 {
        (size / self.lot_size).round() as i64
    }

    /// Returns the book of this library in whole ticks.
    pub(crate) fn ladders(&self, book: &Book) -> Ladders {
        let held = |level: Level| self.held(level.price, level.size);
        Ladders::of(book.bids().map(held), book.asks().map(held))
    }

    pub(crate) fn best(&self, book: &Book) -> Best {
        let held = |level: Level| self.held(level.price, level.size);
        Best { bid: book.best_bid().map(held), ask: book.best_ask().map(held) }
    }
}

/// One level of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) side: Side,
    pub(crate) price: Fixed,
    pub(crate) size: Fixed,
    /// The same in whole ticks and units.
    pub(crate) held: Held,
}

impl Change {
    pub(crate) fn is_bid(&self) -> bool {
        self.side == Side::Bid
    }

    /// Returns price and size as the nearest floats.
    pub(crate) fn floats(&self) -> (f64, f64) {
        (float(self.price), float(self.size))
    }

    pub(crate) fn decimals(&self) -> (Decimal, Decimal) {
        (self.price.into(), self.size.into())
    }
}

/// Both operands are exact floats for all numbers of up to 15 digits, so the quotient is the
/// nearest one.
fn float(number: Fixed) -> f64 {
    number.mantissa() as f64 / 10_f64.powi(number.scale().into())
}

/// The levels of one frame.
#[derive(Debug)]
pub(crate) struct Event {
    /// An index into the products.
    pub(crate) product: usize,
    pub(crate) is_snapshot: bool,
    pub(crate) changes: Vec<Change>,
}

/// A stream with all that contestants are prepared from and judged by.
pub(crate) struct Feed {
    pub(crate) stream: Stream,
    pub(crate) products: Vec<Product>,
    /// One of each frame, `None` if it holds no levels.
    pub(crate) events: Vec<Option<Event>>,
    /// The best bid and ask of the event's product after each frame.
    pub(crate) answers: Vec<Option<Best>>,
    /// The book of each product at the end.
    pub(crate) ladders: Vec<Ladders>,
}

impl Feed {
    pub(crate) fn new(stream: Stream) -> Self {
        let texts = stream.frames().iter();
        let frames: Vec<FrameText<'_>> = texts
            .map(|text| serde_json::from_str(text).expect("the stream holds frames"))
            .collect();
        let products = products(&frames);
        let events = frames.iter().map(|frame| event(frame, &products)).collect();
        drop(frames);
        let mut feed = Self { stream, products, events, answers: vec![], ladders: vec![] };
        feed.answer();
        feed
    }

    /// The frames that bring the books to where the measuring starts, by their indices.
    pub(crate) fn before_updates(&self) -> Range<usize> {
        0..self.stream.prelude().len() + self.stream.warm_up().len()
    }

    pub(crate) fn updates(&self) -> Range<usize> {
        self.before_updates().end..self.events.len()
    }

    /// Runs this library's session over the stream. `cargo bench --bench path` holds it to the
    /// same books as four other stacks.
    fn answer(&mut self) {
        let mut level2 = Level2::new();
        for (text, event) in self.stream.frames().iter().zip(&self.events) {
            level2.take_one(text.as_bytes());
            let best = event.as_ref().map(|event| {
                let product = &self.products[event.product];
                let book = level2.session().book(&product.name);
                product.best(book.expect("no frame of the stream takes the book back"))
            });
            self.answers.push(best);
        }
        let ladders = self.products.iter().map(|product| {
            let book = level2.session().book(&product.name);
            product.ladders(book.expect("no frame of the stream takes the book back"))
        });
        self.ladders = ladders.collect();
    }
}

/// Returns the event of a frame of levels.
fn only_event<'f, 'a>(frame: &'f FrameText<'a>) -> Option<&'f EventText<'a>> {
    if !frame.is_level2() {
        return None;
    }
    let [event] = frame.events.as_slice() else { panic!("expected one event in a frame") };
    Some(event)
}

fn products(frames: &[FrameText<'_>]) -> Vec<Product> {
    let mut levels: BTreeMap<&str, Vec<&LevelText<'_>>> = BTreeMap::new();
    let mut markets: BTreeMap<&str, Decimal> = BTreeMap::new();
    for event in frames.iter().filter_map(only_event) {
        levels.entry(event.product()).or_default().extend(&event.updates);
        if event.is_snapshot() {
            let bids = event.updates.iter().filter(|level| level.is_bid());
            let prices = bids.map(|level| decimal(level.price_level));
            let best = prices.max().expect("every snapshot of the stream holds bids");
            markets.entry(event.product()).or_insert(best);
        }
    }
    let products = levels.into_iter().map(|(name, levels)| {
        let scale = |texts: &mut dyn Iterator<Item = &str>| {
            texts.map(decimals_of).max().expect("a product of the stream has levels")
        };
        let price_scale = scale(&mut levels.iter().map(|level| level.price_level));
        let size_scale = scale(&mut levels.iter().map(|level| level.new_quantity));
        let one = |scale: u8| 1.0 / 10_f64.powi(scale.into());
        let market = Fixed::try_from(markets[name]).expect("a price of the stream");
        Product {
            name: name.to_owned(),
            price_scale,
            size_scale,
            tick_size: one(price_scale),
            lot_size: one(size_scale),
            market: float(market),
        }
    });
    products.collect()
}

fn decimals_of(text: &str) -> u8 {
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    u8::try_from(digits).expect("numbers are short")
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).expect("a decimal number")
}

fn event(frame: &FrameText<'_>, products: &[Product]) -> Option<Event> {
    let event = only_event(frame)?;
    let is_named = |product: &Product| product.name == event.product();
    let index = products.iter().position(is_named).expect("every product was collected");
    let product = &products[index];
    let changes = event.updates.iter().map(|level| {
        let side = if level.is_bid() { Side::Bid } else { Side::Ask };
        let fixed = |text: &str| Fixed::parse(text.as_bytes()).expect("a decimal number");
        let (price, size) = (fixed(level.price_level), fixed(level.new_quantity));
        Change { side, price, size, held: product.held(price.into(), size.into()) }
    });
    Some(Event { product: index, is_snapshot: event.is_snapshot(), changes: changes.collect() })
}
