//! `hftbacktest`: the market depths of a backtester, in floats. It has no parser for this venue's
//! frames in its library.

use std::ops::RangeInclusive;

use hftbacktest::depth::{
    BTreeMarketDepth, FusedHashMapMarketDepth, HashMapMarketDepth, INVALID_MAX, INVALID_MIN,
    L2MarketDepth, MarketDepth, ROIVectorMarketDepth,
};
use hftbacktest::types::{
    BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, Event as HftEvent, LOCAL_EVENT, SELL_EVENT, Side,
};

use crate::contest::PeerBook;
use crate::feed::{Best, Event, Held, Ladders, Product};

/// How far the range of interest reaches on both sides of the first best bid, as a share of it.
/// Levels outside are not held; a range that held all of BTC-USD would take a hundred gigabytes.
const RANGE_OF_INTEREST: f64 = 0.1;

/// What the depths have in common beyond their own traits.
pub(crate) trait Depth: L2MarketDepth + MarketDepth + 'static {
    fn of(product: &Product) -> Self;

    /// Returns bids and asks as pairs of tick and quantity.
    fn levels(&self) -> [Vec<(i64, f64)>; 2];

    /// The ticks that it holds.
    fn range(&self) -> RangeInclusive<i64> {
        i64::MIN..=i64::MAX
    }
}

impl Depth for ROIVectorMarketDepth {
    fn of(product: &Product) -> Self {
        let [low, high] =
            [1.0 - RANGE_OF_INTEREST, 1.0 + RANGE_OF_INTEREST].map(|part| part * product.market);
        Self::new(product.tick_size, product.lot_size, low, high)
    }

    fn levels(&self) -> [Vec<(i64, f64)>; 2] {
        let (low, _) = self.roi_tick();
        [self.bid_depth(), self.ask_depth()].map(|sizes| {
            let levels = (low..).zip(sizes.iter().copied());
            levels.filter(|(_, size)| *size > 0.0).collect()
        })
    }

    fn range(&self) -> RangeInclusive<i64> {
        let (low, high) = self.roi_tick();
        low..=high
    }
}

impl Depth for HashMapMarketDepth {
    fn of(product: &Product) -> Self {
        Self::new(product.tick_size, product.lot_size)
    }

    fn levels(&self) -> [Vec<(i64, f64)>; 2] {
        [&self.bid_depth, &self.ask_depth]
            .map(|depth| depth.iter().map(|(tick, size)| (*tick, *size)).collect())
    }
}

impl Depth for BTreeMarketDepth {
    fn of(product: &Product) -> Self {
        Self::new(product.tick_size, product.lot_size)
    }

    fn levels(&self) -> [Vec<(i64, f64)>; 2] {
        [&self.bid_depth, &self.ask_depth]
            .map(|depth| depth.iter().map(|(tick, size)| (*tick, *size)).collect())
    }
}

/// One of the depths that take prices and quantities.
pub(crate) struct Hft<D>(D);

pub(crate) struct Levels {
    is_snapshot: bool,
    timestamp: i64,
    levels: Vec<Level>,
}

struct Level {
    is_bid: bool,
    price: f64,
    size: f64,
}

/// Tick and quantity of the best bid and of the best ask.
type Touch = [(i64, f64); 2];

impl<D: Depth> PeerBook for Hft<D> {
    type Input = Levels;
    type Touch = Touch;

    fn new(product: &Product) -> Self {
        Self(D::of(product))
    }

    fn input(_product: &Product, event: &Event, number: u64) -> Levels {
        let levels = event.changes.iter().map(|change| {
            let (price, size) = change.floats();
            Level { is_bid: change.is_bid(), price, size }
        });
        let timestamp = number.cast_signed();
        Levels { is_snapshot: event.is_snapshot, timestamp, levels: levels.collect() }
    }

    fn apply(&mut self, input: &Levels) {
        if input.is_snapshot {
            self.0.clear_depth(Side::None, 0.0);
        }
        for level in &input.levels {
            if level.is_bid {
                self.0.update_bid_depth(level.price, level.size, input.timestamp);
            } else {
                self.0.update_ask_depth(level.price, level.size, input.timestamp);
            }
        }
    }

    fn touch(&self) -> Touch {
        touch(&self.0)
    }

    fn best(&self, product: &Product) -> Best {
        best(&self.0, product)
    }

    fn ladders(&self, product: &Product) -> Ladders {
        ladders(self.0.levels(), product)
    }

    fn range(&self) -> RangeInclusive<i64> {
        self.0.range()
    }
}

/// The depth that fuses streams by the times of their events.
pub(crate) struct Fused(FusedHashMapMarketDepth);

pub(crate) struct Events {
    is_snapshot: bool,
    timestamp: i64,
    events: Vec<HftEvent>,
}

impl PeerBook for Fused {
    type Input = Events;
    type Touch = Touch;

    fn new(product: &Product) -> Self {
        Self(FusedHashMapMarketDepth::new(product.tick_size, product.lot_size))
    }

    fn input(_product: &Product, event: &Event, number: u64) -> Events {
        let timestamp = number.cast_signed();
        let events = event.changes.iter().map(|change| {
            let (px, qty) = change.floats();
            let side = if change.is_bid() { BUY_EVENT } else { SELL_EVENT };
            HftEvent {
                ev: DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT | side,
                exch_ts: timestamp,
                local_ts: timestamp,
                px,
                qty,
                order_id: 0,
                ival: 0,
                fval: 0.0,
            }
        });
        Events { is_snapshot: event.is_snapshot, timestamp, events: events.collect() }
    }

    fn apply(&mut self, input: &Events) {
        if input.is_snapshot {
            self.0.clear_depth(Side::None, 0.0, input.timestamp);
        }
        for event in &input.events {
            if event.ev & BUY_EVENT == BUY_EVENT {
                self.0.update_bid_depth(event.clone());
            } else {
                self.0.update_ask_depth(event.clone());
            }
        }
    }

    fn touch(&self) -> Touch {
        touch(&self.0)
    }

    fn best(&self, product: &Product) -> Best {
        best(&self.0, product)
    }

    fn ladders(&self, product: &Product) -> Ladders {
        let depth = &self.0;
        let bids = depth.bid_depth.keys().map(|tick| (*tick, depth.bid_qty_at_tick(*tick)));
        let asks = depth.ask_depth.keys().map(|tick| (*tick, depth.ask_qty_at_tick(*tick)));
        ladders([bids.collect(), asks.collect()], product)
    }
}

#[inline]
fn touch(depth: &impl MarketDepth) -> Touch {
    [(depth.best_bid_tick(), depth.best_bid_qty()), (depth.best_ask_tick(), depth.best_ask_qty())]
}

fn best(depth: &impl MarketDepth, product: &Product) -> Best {
    let [bid, ask] = touch(depth).map(|(ticks, size)| {
        let is_level = ticks != INVALID_MIN && ticks != INVALID_MAX;
        is_level.then(|| Held { ticks, units: product.units_near(size) })
    });
    Best { bid, ask }
}

fn ladders(levels: [Vec<(i64, f64)>; 2], product: &Product) -> Ladders {
    let [bids, asks] = levels.map(|side| {
        side.into_iter().map(|(ticks, size)| Held { ticks, units: product.units_near(size) })
    });
    Ladders::of(bids, asks)
}
