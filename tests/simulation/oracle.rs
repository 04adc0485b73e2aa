//! Knows what is true, and what a client can know of it.
//!
//! The oracle sees every frame as the exchange sent it, before anything happens to it, and reads
//! it in its own way, slow and obvious. It notes what each frame makes of its product, and follows
//! which frames have reached the client. What the client may show is then the state after the
//! newest frame that has reached it, or nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use level2::bbo::Bbo;
use level2::book::{Book, Level, Side};
use level2_sim::{Mark, NetworkMessage, SimFrame, TrueBook};
use rust_decimal::Decimal;

/// A number times 10^12, exactly: no product of the simulation has more decimals.
type Exact = i128;

/// What a frame makes of its product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) sequence: u64,
    best: [Option<(Exact, Exact)>; 2],
    /// The sum of a hash of each level.
    digest: u64,
}

/// A frame that was sent for a product, until it or a later one has reached the client.
struct Record {
    mark: Mark,
    product: usize,
    /// `None` where the frame says that the product is not subscribed to, or brings changes of
    /// what no snapshot has told.
    truth: Option<Truth>,
}

/// A product's book as the frames sent make it.
#[derive(Default)]
struct Mirror {
    sides: [BTreeMap<Exact, Exact>; 2],
    digest: u64,
    /// Whether a snapshot has come since the product was last not subscribed to.
    is_whole: bool,
}

pub(crate) struct Oracle {
    names: Vec<String>,
    mirrors: Vec<Mirror>,
    records: VecDeque<Record>,
    /// What the client may show of each product.
    shown: Vec<Option<Truth>>,
    newest_delivered: Option<Mark>,
    delivered_at: Duration,
}

impl Oracle {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self {
            mirrors: names.iter().map(|_| Mirror::default()).collect(),
            shown: vec![None; names.len()],
            names,
            records: VecDeque::new(),
            newest_delivered: None,
            delivered_at: Duration::ZERO,
        }
    }

    /// Takes note of a new connection.
    pub(crate) fn opened(&mut self, now: Duration) {
        self.records.clear();
        self.shown.fill(None);
        self.newest_delivered = None;
        self.delivered_at = now;
    }

    /// Takes note of a frame as it was sent.
    pub(crate) fn sent(&mut self, frame: &SimFrame, mark: Option<Mark>) {
        let Some(mark) = mark else { return };
        if frame.text.starts_with(r#"{"channel":"subscriptions""#) {
            for product in 0..self.names.len() {
                // A list without it means that nothing more comes for it.
                if !frame.text.contains(&format!("\"{}\"", self.names[product])) {
                    self.mirrors[product].is_whole = false;
                    self.records.push_back(Record { mark, product, truth: None });
                }
            }
        } else if frame.text.starts_with(r#"{"channel":"l2_data""#) {
            let name = between(&frame.text, r#""product_id":""#).expect("it names its product");
            let product =
                self.names.iter().position(|known| known == name).expect("it was asked for");
            let truth = self.mirrors[product].apply(mark.sequence, &frame.text);
            let is_whole = self.mirrors[product].is_whole;
            self.records.push_back(Record { mark, product, truth: is_whole.then_some(truth) });
        }
    }

    /// Takes note of a message that reaches the client now, and says whether it lets anyone know
    /// that something was lost before it.
    pub(crate) fn delivered(&mut self, now: Duration, message: &NetworkMessage) -> bool {
        let newest = self.newest_delivered;
        let shows_loss = match (newest, message.mark) {
            (Some(old), Some(mark)) if message.is_intact => {
                mark.epoch > old.epoch
                    || mark.epoch == old.epoch && mark.sequence > old.sequence + 1
            }
            _ => false,
        };
        self.newest_delivered = newest.max(message.mark);
        self.delivered_at = now;
        while let Some(record) = self.records.front()
            && Some(record.mark) <= self.newest_delivered
        {
            self.shown[record.product] = record.truth;
            self.records.pop_front();
        }
        shows_loss
    }

    pub(crate) fn delivered_at(&self) -> Duration {
        self.delivered_at
    }

    /// Compares a best bid and ask that can be read with what the client was shown.
    pub(crate) fn check_best(&self, name: &str, bbo: &Bbo) {
        let truth = self.truth(name);
        let Some(truth) = truth else {
            panic!("{name} can be read where it should have no book: {bbo:?}");
        };
        let best = [bbo.bid, bbo.ask].map(|level| level.map(exact_level));
        assert_eq!(
            (bbo.sequence, best),
            (truth.sequence, truth.best),
            "{name}: read, and true after {:?}",
            self.newest_delivered
        );
    }

    /// Compares a book that can be read with what the client was shown.
    pub(crate) fn check_book(&self, name: &str, book: &Book) {
        let truth = self.truth(name).unwrap_or_else(|| panic!("{name} should have no book"));
        let mut digest = 0u64;
        for side in [Side::Bid, Side::Ask] {
            let mut last = None;
            for level in book.levels(side) {
                let (price, size) = exact_level(level);
                let is_worse = last.is_none_or(|last| match side {
                    Side::Bid => price < last,
                    Side::Ask => price > last,
                });
                assert!(is_worse && size > 0, "{name}: {level:?} after {last:?}");
                last = Some(price);
                digest = digest.wrapping_add(hash_level(side, (price, size)));
            }
        }
        assert_eq!(digest, truth.digest, "{name} after {:?}: {book:?}", self.newest_delivered);
    }

    /// Compares what was gathered from frames with the exchange's own book. The two must be equal
    /// when nothing is on its way within the exchange.
    pub(crate) fn check_exchange(&self, name: &str, book: &TrueBook) {
        let mirror = &self.mirrors[self.index(name)];
        let levels = |levels: Vec<(Decimal, Decimal)>| -> BTreeMap<Exact, Exact> {
            levels.into_iter().map(|(price, size)| (exact(price), exact(size))).collect()
        };
        assert_eq!(mirror.sides, [levels(book.bids()), levels(book.asks())], "{name}");
    }

    fn truth(&self, name: &str) -> Option<Truth> {
        self.shown[self.index(name)]
    }

    fn index(&self, name: &str) -> usize {
        let name = if name == "BTC-USDC" { "BTC-USD" } else { name };
        self.names.iter().position(|known| known == name).expect("a product of the exchange")
    }
}

impl Mirror {
    /// Does what a frame says.
    fn apply(&mut self, sequence: u64, text: &str) -> Truth {
        if between(text, r#""type":""#) == Some("snapshot") {
            *self = Self { is_whole: true, ..Self::default() };
        }
        // Between quotes stand, in turn, a key, a colon and its text.
        let mut parts = text.split('"');
        let (mut side, mut price) = (Side::Bid, 0);
        while let Some(key) = parts.next() {
            if !matches!(key, "side" | "price_level" | "new_quantity") {
                continue;
            }
            let value = parts.nth(1).expect("every key has a text");
            match key {
                "side" => side = if value == "bid" { Side::Bid } else { Side::Ask },
                "price_level" => price = read(value),
                _ => self.set(side, price, read(value)),
            }
        }
        let level = |(price, size): (&Exact, &Exact)| (*price, *size);
        let [bids, asks] = &self.sides;
        let best = [bids.last_key_value().map(level), asks.first_key_value().map(level)];
        Truth { sequence, best, digest: self.digest }
    }

    fn set(&mut self, side: Side, price: Exact, size: Exact) {
        let levels = &mut self.sides[usize::from(side == Side::Ask)];
        let old = if size == 0 { levels.remove(&price) } else { levels.insert(price, size) };
        for (size, is_new) in old.map(|old| (old, false)).into_iter().chain([(size, true)]) {
            let hash = if size == 0 { 0 } else { hash_level(side, (price, size)) };
            let sum = if is_new { u64::wrapping_add } else { u64::wrapping_sub };
            self.digest = sum(self.digest, hash);
        }
    }
}

fn between<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(key)?;
    Some(rest.split_once('"')?.0)
}

/// Reads a number of the wire.
fn read(text: &str) -> Exact {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.bytes().chain(fraction.bytes());
    let number = digits.fold(0, |number: Exact, digit| number * 10 + Exact::from(digit - b'0'));
    number * 10i128.pow(DECIMALS - u32::try_from(fraction.len()).unwrap())
}

fn exact(number: Decimal) -> Exact {
    number.mantissa() * 10i128.pow(DECIMALS - number.scale())
}

fn exact_level(level: Level) -> (Exact, Exact) {
    (exact(level.price), exact(level.size))
}

const DECIMALS: u32 = 12;

/// Mixes a level into a number that hardly any other level has.
fn hash_level(side: Side, (price, size): (Exact, Exact)) -> u64 {
    let salt = if side == Side::Bid { 0x9e37_79b9_7f4a_7c15 } else { 0xd1b5_4a32_d192_ed03 };
    [price, size].into_iter().fold(salt, |hash: u64, number| {
        let mixed = (hash ^ (number ^ number >> 64) as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ mixed >> 32
    })
}
