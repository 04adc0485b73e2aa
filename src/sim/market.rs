//! One product's seeded market and its true book.
//!
//! A [`Market`] moves in whole intervals of the exchange (50 ms by default) and tells the *net*
//! changes of each, as the venue does. The distributions it draws from (changes a frame, kinds of
//! change, ranks, gaps between levels, sizes) are those measured on real traffic. Everything is
//! integer arithmetic over tables of quantiles: a seed gives the same market on every machine.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use fastrand::Rng;
use rust_decimal::Decimal;

use crate::book::Side;

/// The new size of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The side of the level.
    pub side: Side,
    /// The price in ticks, that is in units of ten to the power of minus the price scale.
    pub price_ticks: i64,
    /// The absolute new size in units of ten to the power of minus the size scale; zero deletes.
    pub size_units: u64,
}

/// What a product looks like: its number formats, where it trades and how deep its book is.
///
/// A *tick* is ten to the power of minus the price scale, a *unit* is ten to the power of minus
/// the size scale.
///
/// ```
/// use level2::sim::ProductSpec;
///
/// let spec = ProductSpec::btc_usd().levels(500);
/// assert_eq!(spec.product_id(), "BTC-USD");
/// assert_eq!(spec.levels_per_side(), 500);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductSpec {
    product_id: String,
    price_scale: u8,
    size_scale: u8,
    mid_ticks: i64,
    levels_per_side: usize,
    increment_ticks: i64,
    gap_ticks: u64,
    size_median_units: u64,
    round_ticks: i64,
    quiet_permille: u64,
    only: Option<Side>,
}

impl ProductSpec {
    /// A product of your own, with 200 levels a side, increments of one tick and a typical gap of
    /// 24 ticks between neighbouring levels near the touch.
    ///
    /// `mid_ticks` is the price, in ticks, around which the market wanders (by at most one
    /// percent).
    ///
    /// # Panics
    ///
    /// If the id is empty or holds anything but ASCII letters, digits and `-`, if a scale is above
    /// [`SCALE_MAX`], or if `mid_ticks` lies outside `100..=1_000_000_000_000`.
    #[must_use]
    pub fn new(product_id: &str, price_scale: u8, size_scale: u8, mid_ticks: i64) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!(
            !product_id.is_empty() && product_id.bytes().all(plain),
            "a product id is made of ASCII letters, digits and dashes: {product_id:?}"
        );
        assert!(price_scale <= SCALE_MAX && size_scale <= SCALE_MAX, "scale above {SCALE_MAX}");
        assert!(
            (MID_TICKS_MIN..=MID_TICKS_MAX).contains(&mid_ticks),
            "mid of {mid_ticks} ticks is outside {MID_TICKS_MIN}..={MID_TICKS_MAX}"
        );
        Self {
            product_id: product_id.to_owned(),
            price_scale,
            size_scale,
            mid_ticks,
            levels_per_side: 200,
            increment_ticks: 1,
            gap_ticks: PROFILE_GAP_TICKS,
            size_median_units: 10u64.pow(u32::from(size_scale)),
            round_ticks: 1,
            quiet_permille: 0,
            only: None,
        }
    }

    /// `BTC-USD`: two price decimals, eight size decimals, around 83,277; 2,000 levels a side.
    #[must_use]
    pub fn btc_usd() -> Self {
        let mut spec = Self::new("BTC-USD", 2, 8, 8_327_725);
        spec.levels_per_side = 2_000;
        spec.size_median_units = 225_000;
        spec.round_ticks = 100;
        spec
    }

    /// `ETH-USD`: two price decimals, eight size decimals, around 2,666; 1,000 levels a side.
    #[must_use]
    pub fn eth_usd() -> Self {
        let mut spec = Self::new("ETH-USD", 2, 8, 266_608);
        spec.levels_per_side = 1_000;
        spec.gap_ticks = 8;
        spec.size_median_units = 50_000_000;
        spec.round_ticks = 100;
        spec.quiet_permille = 10;
        spec
    }

    /// `SOL-USD`: two price decimals, eight size decimals, around 155; 400 levels a side.
    #[must_use]
    pub fn sol_usd() -> Self {
        let mut spec = Self::new("SOL-USD", 2, 8, 15_523);
        spec.levels_per_side = 400;
        spec.gap_ticks = 2;
        spec.size_median_units = 1_200_000_000;
        spec.quiet_permille = 100;
        spec
    }

    /// `PEPE-USD`: a price of 0.00001234 with eight decimals, sizes in whole coins.
    #[must_use]
    pub fn tiny_price() -> Self {
        let mut spec = Self::new("PEPE-USD", 8, 0, 1_234);
        spec.levels_per_side = 150;
        spec.gap_ticks = 1;
        spec.size_median_units = 2_500_000;
        spec.quiet_permille = 500;
        spec
    }

    /// `BIP-20DEC30-CDE`: a dated future with integer prices in steps of five and integer sizes.
    #[must_use]
    pub fn futures() -> Self {
        let mut spec = Self::new("BIP-20DEC30-CDE", 0, 0, 72_575);
        spec.levels_per_side = 370;
        spec.increment_ticks = 5;
        spec.gap_ticks = 5;
        spec.size_median_units = 12;
        spec.quiet_permille = 300;
        spec
    }

    /// Sets the number of levels the market keeps on each side, held to `1..=`[`LEVELS_MAX`].
    ///
    /// The bid side may hold fewer: there are only so many prices between the best bid and zero.
    #[must_use]
    pub fn levels(mut self, per_side: usize) -> Self {
        self.levels_per_side = per_side.clamp(1, LEVELS_MAX);
        self
    }

    /// Sets the price increment in ticks: every price is a multiple of it.
    ///
    /// # Panics
    ///
    /// If it is not in `1..=mid_ticks / 100`.
    #[must_use]
    pub fn increment(mut self, ticks: i64) -> Self {
        assert!((1..=self.mid_ticks / 100).contains(&ticks), "price increment of {ticks} ticks");
        self.increment_ticks = ticks;
        self
    }

    /// Sets the typical gap, in ticks, between neighbouring levels near the touch, held to
    /// `1..=10_000`. The book is never denser than every second price.
    #[must_use]
    pub fn gap(mut self, ticks: u64) -> Self {
        self.gap_ticks = ticks.clamp(1, GAP_TICKS_MAX);
        self
    }

    /// Sets the median size of a level in units, held to `1..=10^12`.
    #[must_use]
    pub fn median_size(mut self, units: u64) -> Self {
        self.size_median_units = units.clamp(1, SIZE_MEDIAN_MAX);
        self
    }

    /// Sets how many of a thousand intervals bring no change at all (held to `0..=1000`).
    #[must_use]
    pub fn quiet(mut self, permille: u64) -> Self {
        self.quiet_permille = permille.min(1_000);
        self
    }

    /// Makes a market in which only one side ever has levels.
    #[must_use]
    pub fn one_sided(mut self, side: Side) -> Self {
        self.only = Some(side);
        self
    }

    /// The product id, as in the frames.
    #[must_use]
    pub fn product_id(&self) -> &str {
        &self.product_id
    }

    /// The number of decimals of a price.
    #[must_use]
    pub fn price_scale(&self) -> u8 {
        self.price_scale
    }

    /// The number of decimals of a size.
    #[must_use]
    pub fn size_scale(&self) -> u8 {
        self.size_scale
    }

    /// The price, in ticks, around which the market wanders.
    #[must_use]
    pub fn mid_ticks(&self) -> i64 {
        self.mid_ticks
    }

    /// The number of levels a side that the market keeps near.
    #[must_use]
    pub fn levels_per_side(&self) -> usize {
        self.levels_per_side
    }

    /// The expected distance, in ticks from the touch, of the level of this rank.
    fn distance(&self, side: Side, rank: usize) -> i64 {
        let profile: &[(u64, u64)] = match side {
            Side::Bid => &BID_PROFILE,
            Side::Ask => &ASK_PROFILE,
        };
        let scaled = interpolate(profile, rank as u64) * self.gap_ticks / PROFILE_GAP_TICKS;
        // Prices need room between them, or an insertion would find none.
        let floor = rank as i64 * 2 * self.increment_ticks;
        (scaled as i64).max(floor)
    }

    /// The number of levels this side can keep: bids must stay above zero at the lowest mid.
    fn target(&self, side: Side) -> usize {
        match (self.only, side) {
            (Some(only), _) if only != side => 0,
            (_, Side::Ask) => self.levels_per_side,
            (_, Side::Bid) => {
                let room = self.mid_ticks / 100 * 95;
                let (mut low, mut high) = (1, self.levels_per_side);
                while low < high {
                    let middle = (low + high).div_ceil(2);
                    if self.distance(Side::Bid, middle) <= room {
                        low = middle;
                    } else {
                        high = middle - 1;
                    }
                }
                low
            }
        }
    }
}

/// The book as the exchange itself holds it: the oracle a client's book is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueBook {
    price_scale: u8,
    size_scale: u8,
    bids: BTreeMap<i64, u64>,
    asks: BTreeMap<i64, u64>,
}

impl TrueBook {
    /// The bids, best (highest) first: price and size, exact and without trailing zeros.
    #[must_use]
    pub fn bids(&self) -> Vec<(Decimal, Decimal)> {
        self.bids.iter().rev().map(|(&price, &size)| self.level((price, size))).collect()
    }

    /// The asks, best (lowest) first: price and size, exact and without trailing zeros.
    #[must_use]
    pub fn asks(&self) -> Vec<(Decimal, Decimal)> {
        self.asks.iter().map(|(&price, &size)| self.level((price, size))).collect()
    }

    /// Price and size of the best bid.
    #[must_use]
    pub fn best_bid(&self) -> Option<(Decimal, Decimal)> {
        self.best(Side::Bid).map(|level| self.level(level))
    }

    /// Price and size of the best ask.
    #[must_use]
    pub fn best_ask(&self) -> Option<(Decimal, Decimal)> {
        self.best(Side::Ask).map(|level| self.level(level))
    }

    /// The number of levels on one side.
    #[must_use]
    pub fn depth(&self, side: Side) -> usize {
        self.levels(side).len()
    }

    /// The size resting at a price, in units, if the level is held.
    #[must_use]
    pub fn size_at(&self, side: Side, price_ticks: i64) -> Option<u64> {
        self.levels(side).get(&price_ticks).copied()
    }

    /// All levels in the order of the wire: bids from the best, then asks from the best.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let change = |side| {
            move |(&price_ticks, &size_units): (&i64, &u64)| Change {
                side,
                price_ticks,
                size_units,
            }
        };
        let bids = self.bids.iter().rev().map(change(Side::Bid));
        bids.chain(self.asks.iter().map(change(Side::Ask)))
    }

    /// Price in ticks and size in units of the best level.
    pub(super) fn best(&self, side: Side) -> Option<(i64, u64)> {
        let level = match side {
            Side::Bid => self.bids.last_key_value(),
            Side::Ask => self.asks.first_key_value(),
        };
        level.map(|(&price, &size)| (price, size))
    }

    /// Ticks and units as decimals without trailing zeros.
    pub(super) fn level(&self, (price, size): (i64, u64)) -> (Decimal, Decimal) {
        let price = Decimal::from_i128_with_scale(i128::from(price), u32::from(self.price_scale));
        let size = Decimal::from_i128_with_scale(i128::from(size), u32::from(self.size_scale));
        (price.normalize(), size.normalize())
    }

    fn levels(&self, side: Side) -> &BTreeMap<i64, u64> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn levels_mut(&mut self, side: Side) -> &mut BTreeMap<i64, u64> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// The level `skip` places beyond the first one at this price or worse.
    fn beyond(&self, side: Side, price: i64, skip: usize) -> Option<(i64, u64)> {
        let level = match side {
            Side::Bid => self.bids.range(..=price).rev().nth(skip),
            Side::Ask => self.asks.range(price..).nth(skip),
        };
        level.map(|(&price, &size)| (price, size))
    }

    fn worst(&self, side: Side) -> Option<(i64, u64)> {
        let level = match side {
            Side::Bid => self.bids.first_key_value(),
            Side::Ask => self.asks.last_key_value(),
        };
        level.map(|(&price, &size)| (price, size))
    }
}

/// The market of one product: a seeded random source of level changes around a true book.
///
/// ```
/// use level2::sim::{Market, ProductSpec};
///
/// let mut market = Market::new(ProductSpec::btc_usd(), 7);
/// let mut changes = Vec::new();
/// market.step(&mut changes);
/// let (bid, _) = market.book().best_bid().unwrap();
/// let (ask, _) = market.book().best_ask().unwrap();
/// assert!(bid < ask);
/// ```
#[derive(Debug, Clone)]
pub struct Market {
    spec: ProductSpec,
    rng: Rng,
    book: TrueBook,
    /// The highest price a bid may take; asks start one increment above it. Every insertion keeps
    /// to its own side of this line, which is why the book can be neither crossed nor locked.
    bid_limit: i64,
    anchor: i64,
    target_bids: usize,
    target_asks: usize,
}

impl Market {
    /// A market at its starting book; product and seed decide everything that follows.
    #[must_use]
    pub fn new(spec: ProductSpec, seed: u64) -> Self {
        let anchor = spec.mid_ticks - spec.mid_ticks % spec.increment_ticks;
        let mut market = Self {
            // Two products of one exchange must not move in step: the id is part of the seed.
            rng: Rng::with_seed(seed ^ fnv1a(spec.product_id.as_bytes())),
            book: TrueBook {
                price_scale: spec.price_scale,
                size_scale: spec.size_scale,
                bids: BTreeMap::new(),
                asks: BTreeMap::new(),
            },
            bid_limit: anchor,
            anchor,
            target_bids: spec.target(Side::Bid),
            target_asks: spec.target(Side::Ask),
            spec,
        };
        market.fill(Side::Bid);
        market.fill(Side::Ask);
        market
    }

    /// What the product looks like.
    #[must_use]
    pub fn spec(&self) -> &ProductSpec {
        &self.spec
    }

    /// The true book as it stands now.
    #[must_use]
    pub fn book(&self) -> &TrueBook {
        &self.book
    }

    /// Moves the market by one interval and puts the net changes of that interval into `out`,
    /// which is cleared first.
    ///
    /// The order is that of the wire: bids from best to worst, then asks from best to worst, each
    /// level at most once. An interval may be empty. A change may repeat the size a level has, or
    /// delete a level that is not held; the venue sends both.
    pub fn step(&mut self, out: &mut Vec<Change>) {
        out.clear();
        if self.rng.u64(0..1_000) < self.spec.quiet_permille {
            return;
        }
        self.move_limit(out);
        self.close_spread(out);
        let wanted = interpolate(&CHANGES, self.draw_ppm()) as usize;
        // A draw may find nothing to do (the level was touched already): the tries are bounded.
        for _ in 0..wanted * 2 + 8 {
            if out.len() >= wanted {
                break;
            }
            self.draw_change(out);
        }
        out.sort_unstable_by_key(|change| match change.side {
            Side::Bid => (Side::Bid, -change.price_ticks),
            Side::Ask => (Side::Ask, change.price_ticks),
        });
        debug_assert!(
            self.book.best(Side::Bid).is_none_or(|(bid, _)| bid <= self.bid_limit)
                && self.book.best(Side::Ask).is_none_or(|(ask, _)| ask > self.bid_limit),
            "each side keeps to its own side of the limit"
        );
    }

    fn target(&self, side: Side) -> usize {
        match side {
            Side::Bid => self.target_bids,
            Side::Ask => self.target_asks,
        }
    }

    /// Fills one side of the starting book.
    fn fill(&mut self, side: Side) {
        let target = self.target(side);
        for rank in 0..target {
            for _ in 0..PRICE_TRIES_MAX {
                // A window of ranks around the level's own makes gaps as uneven as real ones.
                let spread = self.rng.u64(0..=2 * FILL_SPREAD) as usize;
                let near = if rank == 0 { 0 } else { rank + spread };
                let near = near.saturating_sub(FILL_SPREAD as usize).min(target - 1);
                let Some(price) = self.draw_price(side, near) else {
                    continue;
                };
                let size = self.draw_size(side);
                if let Entry::Vacant(level) = self.book.levels_mut(side).entry(price) {
                    level.insert(size);
                    break;
                }
            }
        }
    }

    /// Lets the price wander. Levels it runs through are deleted, as trades would do.
    fn move_limit(&mut self, out: &mut Vec<Change>) {
        if self.rng.u64(0..1_000) >= MOVE_PERMILLE {
            return;
        }
        let increment = self.spec.increment_ticks;
        let reach = (self.spec.gap_ticks as i64 / increment).max(1);
        let mut ticks = self.rng.i64(1..=reach * 2) * increment;
        if self.rng.u64(0..1_000) < SWEEP_PERMILLE {
            ticks *= SWEEP_FACTOR;
        }
        // The further from the anchor, the likelier the way back: the price stays within a
        // percent of where it began, however long the market runs.
        let range = (self.anchor / 100).max(increment);
        let range = range - range % increment;
        let pull = ((self.bid_limit - self.anchor) * 1_000 / range).clamp(-900, 900);
        let up = self.rng.i64(0..2_000) >= 1_000 + pull;
        let moved = if up { self.bid_limit + ticks } else { self.bid_limit - ticks };
        let moved = moved.clamp(self.anchor - range, self.anchor + range);
        let hit = if up { Side::Ask } else { Side::Bid };
        self.bid_limit = self.run_through(hit, moved, out);
        // A side that was swept away comes back at its own end of the spread.
        if self.book.depth(hit) == 0 && self.target(hit) > 0 {
            self.put_at_touch(hit, out);
        }
        let follower = if up { Side::Bid } else { Side::Ask };
        if self.target(follower) > 0 && self.rng.bool() {
            self.put_at_touch(follower, out);
        }
    }

    /// Deletes the levels of the hit side that the limit runs through on its way to `moved`.
    /// Returns how far it came: [`MOVE_DELETES_MAX`] levels stop it.
    fn run_through(&mut self, hit: Side, moved: i64, out: &mut Vec<Change>) -> i64 {
        let increment = self.spec.increment_ticks;
        for deleted in 0.. {
            let Some((best, _)) = self.book.best(hit) else {
                break;
            };
            let (crossed, short_of) = match hit {
                Side::Ask => (best <= moved, best - increment),
                Side::Bid => (best > moved, best),
            };
            if !crossed {
                break;
            }
            if deleted == MOVE_DELETES_MAX {
                return short_of;
            }
            self.put(hit, best, 0, out);
        }
        moved
    }

    /// Lets somebody quote at the touch if nobody does: most of the time the spread of a busy
    /// product is one increment.
    fn close_spread(&mut self, out: &mut Vec<Change>) {
        for side in [Side::Bid, Side::Ask] {
            if self.target(side) > 0 && self.rng.u64(0..1_000) < QUOTE_PERMILLE {
                self.put_at_touch(side, out);
            }
        }
    }

    fn put_at_touch(&mut self, side: Side, out: &mut Vec<Change>) {
        let price = self.price_at(side, 0);
        if self.book.size_at(side, price).is_none() && !touched(out, side, price) {
            let size = self.draw_size(side);
            self.put(side, price, size, out);
        }
    }

    /// Draws one change of a kind, at a rank, and makes it if there is something to make.
    fn draw_change(&mut self, out: &mut Vec<Change>) {
        let side = match self.spec.only {
            Some(side) => side,
            None if self.rng.bool() => Side::Bid,
            None => Side::Ask,
        };
        let rank = self.draw_rank(side);
        let Some(price) = self.draw_price(side, rank) else {
            return;
        };
        match self.rng.u64(0..1_000) {
            0..CHURN_END => self.churn(side, rank, price, out),
            CHURN_END..RESIZE_END => self.resize(side, price, out),
            RESIZE_END..REPEAT_END => {
                if let Some((held, size)) = self.book.beyond(side, price, 0)
                    && !touched(out, side, held)
                {
                    self.put(side, held, size, out);
                }
            }
            _ => {
                if self.book.size_at(side, price).is_none() && !touched(out, side, price) {
                    self.put(side, price, 0, out);
                }
            }
        }
    }

    /// Inserts or deletes, whichever brings the density of levels here nearer to its shape.
    fn churn(&mut self, side: Side, rank: usize, price: i64, out: &mut Vec<Change>) {
        let depth = self.book.depth(side);
        let target = self.target(side);
        if depth > target + target / SLACK_PART + 1 {
            // Levels that a wandering price left behind lie at the far end, where no draw falls.
            let worst = self.book.worst(side);
            return self.delete(side, worst, out);
        }
        let expected =
            self.spec.distance(side, rank + SPAN_LEVELS) - self.spec.distance(side, rank);
        let sparse = match self.book.beyond(side, price, SPAN_LEVELS - 1) {
            Some((last, _)) => (last - price).abs() > expected,
            None => depth < target,
        };
        let insert_percent = if sparse { 75 } else { 25 };
        if depth <= 1 || self.rng.u64(0..100) < insert_percent {
            if self.book.size_at(side, price).is_none() && !touched(out, side, price) {
                let size = self.draw_size(side);
                self.put(side, price, size, out);
            }
        } else {
            let level = self.book.beyond(side, price, 0);
            self.delete(side, level, out);
        }
    }

    /// Deletes a level, unless it is the last of its side or was touched in this interval.
    fn delete(&mut self, side: Side, level: Option<(i64, u64)>, out: &mut Vec<Change>) {
        if let Some((price, _)) = level
            && self.book.depth(side) > 1
            && !touched(out, side, price)
        {
            self.put(side, price, 0, out);
        }
    }

    /// Gives the first level at this price or worse another size.
    fn resize(&mut self, side: Side, price: i64, out: &mut Vec<Change>) {
        if let Some((held, old)) = self.book.beyond(side, price, 0)
            && !touched(out, side, held)
        {
            let drawn = self.draw_size(side);
            let size = if drawn == old { drawn + 1 } else { drawn };
            self.put(side, held, size, out);
        }
    }

    /// Sets a level and notes the change.
    fn put(&mut self, side: Side, price_ticks: i64, size_units: u64, out: &mut Vec<Change>) {
        let levels = self.book.levels_mut(side);
        if size_units == 0 {
            levels.remove(&price_ticks);
        } else {
            levels.insert(price_ticks, size_units);
        }
        out.push(Change { side, price_ticks, size_units });
    }

    /// A rank from the heavy-tailed distribution of real changes, below the target of this side.
    fn draw_rank(&mut self, side: Side) -> usize {
        let target = self.target(side);
        let starved = self.book.depth(side) + target / SLACK_PART < target;
        let rank = if starved && self.rng.u64(0..4) == 0 {
            // A side that lost levels is refilled all over, not only where most changes fall.
            self.rng.u64(0..target as u64) as usize
        } else {
            interpolate(&RANKS, self.draw_ppm()) as usize
        };
        if rank < target { rank } else { self.rng.u64(0..target as u64) as usize }
    }

    /// A price near the expected place of this rank, some of them round numbers as people like
    /// them. There is none when it would fall to zero or below.
    fn draw_price(&mut self, side: Side, rank: usize) -> Option<i64> {
        let near = self.spec.distance(side, rank);
        let far = self.spec.distance(side, rank + 1);
        // The touch itself is where most people want to be: the spread is often one increment.
        let distance =
            if rank == 0 && self.rng.bool() { 0 } else { self.rng.i64(near..=far.max(near)) };
        let price = self.price_at(side, distance);
        let round = self.spec.round_ticks.max(self.spec.increment_ticks);
        let round_permille = if rank < DEEP_RANK { ROUND_NEAR } else { ROUND_DEEP };
        let price = if self.rng.u64(0..1_000) < round_permille {
            // Rounding goes away from the touch, so that it cannot carry a price across.
            match side {
                Side::Bid => price - price.rem_euclid(round),
                Side::Ask => price + (-price).rem_euclid(round),
            }
        } else {
            price
        };
        (price > 0).then_some(price)
    }

    /// The price this many ticks from the limit, rounded away from it to the increment.
    fn price_at(&self, side: Side, distance: i64) -> i64 {
        let increment = self.spec.increment_ticks;
        match side {
            Side::Bid => {
                let price = self.bid_limit - distance;
                price - price.rem_euclid(increment)
            }
            Side::Ask => {
                let price = self.bid_limit + increment + distance;
                price + (-price).rem_euclid(increment)
            }
        }
    }

    /// A size of at least one unit; about a fifth are short numbers.
    fn draw_size(&mut self, side: Side) -> u64 {
        let table = u128::from(interpolate(&SIZES, self.draw_ppm()));
        // Resting bids are about four times the size of resting asks in the measured book.
        let parts = match side {
            Side::Bid => 16,
            Side::Ask => 4,
        };
        let median = u128::from(self.spec.size_median_units);
        let size = (table * median * parts / (10 * u128::from(SIZES_MEDIAN))) as u64;
        // Large values of the table are far apart: this gives them their last digits.
        let size = size + self.rng.u64(0..=size / 512);
        if self.rng.u64(0..1_000) >= SHORT_SIZE_PERMILLE {
            return size.max(1);
        }
        let digits = self.rng.u32(0..=SHORT_SIZE_DIGITS_MAX);
        let unit = 10u64.pow(u32::from(self.spec.size_scale).saturating_sub(digits));
        (size / unit).max(1) * unit
    }

    fn draw_ppm(&mut self) -> u64 {
        self.rng.u64(0..1_000_000)
    }
}

fn touched(out: &[Change], side: Side, price_ticks: i64) -> bool {
    out.iter().any(|change| change.price_ticks == price_ticks && change.side == side)
}

/// The value of a piecewise linear table at `at`; beyond an end, the value at that end.
pub(super) fn interpolate(table: &[(u64, u64)], at: u64) -> u64 {
    let upper = table.partition_point(|&(x, _)| x <= at).clamp(1, table.len() - 1);
    let ((x0, y0), (x1, y1)) = (table[upper - 1], table[upper]);
    let at = at.clamp(x0, x1);
    y0 + (y1 - y0) * (at - x0) / (x1 - x0)
}

/// The 64-bit FNV-1a hash: small, and the same everywhere, unlike the hasher of std.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The most levels a side a product may be set to; two such sides make a snapshot of about 5 MB.
pub const LEVELS_MAX: usize = 22_500;
/// The most decimals a price or a size may have.
pub const SCALE_MAX: u8 = 12;

const MID_TICKS_MIN: i64 = 100;
const MID_TICKS_MAX: i64 = 1_000_000_000_000;
const GAP_TICKS_MAX: u64 = 10_000;
const SIZE_MEDIAN_MAX: u64 = 1_000_000_000_000;

/// The gap near the touch, in ticks, of the book from which the two profiles below were taken.
const PROFILE_GAP_TICKS: u64 = 24;

/// Rank of a bid against its expected distance from the touch in ticks.
const BID_PROFILE: [(u64, u64); 10] = [
    (0, 0),
    (22, 833),
    (94, 4_165),
    (168, 8_330),
    (311, 41_640),
    (434, 83_280),
    (3_136, 416_400),
    (6_810, 832_800),
    (12_000, 3_000_000),
    (22_600, 7_900_000),
];

/// Rank of an ask against its expected distance from the touch in ticks. The far end is as wild
/// as it is on the real venue: somebody asks for a thousand times the price.
const ASK_PROFILE: [(u64, u64); 12] = [
    (0, 0),
    (15, 833),
    (98, 4_165),
    (167, 8_330),
    (348, 41_640),
    (688, 83_280),
    (2_901, 416_400),
    (4_313, 832_800),
    (12_000, 3_000_000),
    (20_000, 8_300_000),
    (22_400, 83_000_000),
    (22_600, 13_000_000_000),
];

/// Parts per million of the intervals against the number of changes of an interval.
const CHANGES: [(u64, u64); 9] = [
    (0, 1),
    (50_000, 1),
    (250_000, 2),
    (500_000, 9),
    (750_000, 16),
    (900_000, 18),
    (950_000, 27),
    (990_000, 82),
    (1_000_000, 110),
];

/// Parts per million of the changes against the rank of the level they fall on.
const RANKS: [(u64, u64); 9] = [
    (0, 0),
    (50_000, 1),
    (110_000, 5),
    (170_000, 10),
    (400_000, 50),
    (540_000, 100),
    (880_000, 500),
    (970_000, 1_300),
    (1_000_000, 6_000),
];

/// Parts per million of the levels against their size, in units, for a median of
/// [`SIZES_MEDIAN`].
const SIZES: [(u64, u64); 11] = [
    (0, 1),
    (20_000, 1_000),
    (100_000, 15_000),
    (250_000, 60_000),
    (500_000, SIZES_MEDIAN),
    (700_000, 1_500_000),
    (850_000, 9_000_000),
    (950_000, 60_000_000),
    (990_000, 400_000_000),
    (999_000, 5_000_000_000),
    (1_000_000, 60_000_000_000),
];
const SIZES_MEDIAN: u64 = 225_000;

/// The kinds of change as ends of ranges out of a thousand: insertions and deletions, new sizes,
/// repeats of an unchanged size; what is left are deletions of levels that are not held.
const CHURN_END: u64 = 735;
const RESIZE_END: u64 = 937;
const REPEAT_END: u64 = 948;

/// The share of intervals in which the price moves, of those with a sweep, and a sweep's length.
const MOVE_PERMILLE: u64 = 150;
const SWEEP_PERMILLE: u64 = 5;
const SWEEP_FACTOR: i64 = 20;
/// The most levels one move deletes.
const MOVE_DELETES_MAX: usize = 64;

/// How often a side that nobody quotes at the touch gets a quote there.
const QUOTE_PERMILLE: u64 = 250;

/// The share of round prices near the touch and beyond [`DEEP_RANK`].
const ROUND_NEAR: u64 = 110;
const ROUND_DEEP: u64 = 330;
const DEEP_RANK: usize = 300;

/// The share of sizes with fewer decimals, and the most decimals such a size has.
const SHORT_SIZE_PERMILLE: u64 = 190;
const SHORT_SIZE_DIGITS_MAX: u32 = 6;

/// The number of levels over which the density is measured.
const SPAN_LEVELS: usize = 8;
/// The book may stray from its target by one part in this many before it is pulled back.
const SLACK_PART: usize = 16;
/// How often a free price is looked for when the starting book is filled.
const PRICE_TRIES_MAX: usize = 8;
/// How many ranks a level of the starting book may lie from its own place.
const FILL_SPREAD: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn every_product() -> [ProductSpec; 5] {
        [
            ProductSpec::btc_usd(),
            ProductSpec::eth_usd(),
            ProductSpec::sol_usd(),
            ProductSpec::tiny_price(),
            ProductSpec::futures(),
        ]
    }

    #[test]
    fn interpolation_meets_its_table() {
        assert_eq!(interpolate(&CHANGES, 0), 1);
        assert_eq!(interpolate(&CHANGES, 500_000), 9);
        assert_eq!(interpolate(&CHANGES, 2_000_000), 110);
        assert_eq!(interpolate(&[(0, 10), (10, 20)], 5), 15);
    }

    #[test]
    fn same_seed_same_market() {
        for spec in every_product() {
            let mut first = Market::new(spec.clone(), 3);
            let mut second = Market::new(spec.clone(), 3);
            let mut other = Market::new(spec, 4);
            let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
            let mut differs = first.book() != other.book();
            for _ in 0..200 {
                first.step(&mut a);
                second.step(&mut b);
                other.step(&mut c);
                assert_eq!(a, b);
                differs |= a != c;
            }
            assert_eq!(first.book(), second.book());
            assert!(differs);
        }
    }

    #[test]
    fn a_seed_gives_these_very_changes_everywhere() {
        // The stream is part of the contract: fixtures are made from seeds.
        let mut market = Market::new(ProductSpec::btc_usd(), 1);
        let mut changes = Vec::new();
        let mut hash = 0;
        for _ in 0..500 {
            market.step(&mut changes);
            for change in &changes {
                let Change { side, price_ticks, size_units } = *change;
                let text = format!("{hash} {} {price_ticks} {size_units}", side == Side::Bid);
                hash = fnv1a(text.as_bytes());
            }
        }
        assert_eq!(hash, PINNED_STREAM, "the stream of a seed has changed");
    }

    #[test]
    fn changes_are_ordered_single_and_explain_the_book() {
        for spec in every_product() {
            let increment = spec.increment_ticks;
            let mut market = Market::new(spec, 11);
            let mut naive = market.book().clone();
            let mut changes = Vec::new();
            for _ in 0..2_000 {
                market.step(&mut changes);
                for pair in changes.windows(2) {
                    match (pair[0].side, pair[1].side) {
                        (Side::Bid, Side::Bid) => {
                            assert!(pair[0].price_ticks > pair[1].price_ticks);
                        }
                        (Side::Ask, Side::Ask) => {
                            assert!(pair[0].price_ticks < pair[1].price_ticks);
                        }
                        (Side::Bid, Side::Ask) => {}
                        (Side::Ask, Side::Bid) => panic!("bids come first"),
                    }
                }
                for change in &changes {
                    assert!(change.price_ticks > 0 && change.price_ticks % increment == 0);
                    let levels = naive.levels_mut(change.side);
                    match change.size_units {
                        0 => levels.remove(&change.price_ticks),
                        size => levels.insert(change.price_ticks, size),
                    };
                }
                let (bid, _) = market.book().best(Side::Bid).unwrap();
                let (ask, _) = market.book().best(Side::Ask).unwrap();
                assert!(bid < ask);
            }
            assert_eq!(&naive, market.book());
        }
    }

    #[test]
    fn statistics_are_those_of_real_traffic() {
        let mut market = Market::new(ProductSpec::btc_usd(), 5);
        let mut changes = Vec::new();
        let mut ranks = Vec::new();
        let (mut deletes, mut orphans, mut inserts, mut repeats, mut frames) = (0, 0, 0, 0, 0);
        for _ in 0..2_000 {
            let before = market.book().clone();
            market.step(&mut changes);
            frames += u32::from(!changes.is_empty());
            for change in &changes {
                let (side, price) = (change.side, change.price_ticks);
                match (before.size_at(side, price), change.size_units) {
                    (None, 0) => orphans += 1,
                    (Some(_), 0) => deletes += 1,
                    (None, _) => inserts += 1,
                    (Some(old), new) => repeats += u32::from(old == new),
                }
                ranks.push(match side {
                    Side::Bid => before.bids.range(price + 1..).count(),
                    Side::Ask => before.asks.range(..price).count(),
                });
            }
        }
        ranks.sort_unstable();
        let total = ranks.len() as u32;
        let permille = |count: u32| count * 1_000 / total;
        let median = ranks[ranks.len() / 2];
        let deep = ranks.iter().filter(|&&rank| rank > 500).count() as u32;
        println!(
            "mean {} deletes {} orphans {} inserts {} repeats {} median rank {median} deep {}",
            total / frames,
            permille(deletes),
            permille(orphans),
            permille(inserts),
            permille(repeats),
            permille(deep),
        );
        assert!((8..=20).contains(&(total / frames)));
        assert!((350..=500).contains(&permille(deletes + orphans)));
        assert!((30..=70).contains(&permille(orphans)));
        assert!((40..=60).contains(&permille(orphans)));
        assert!((300..=450).contains(&permille(inserts)));
        assert!((5..=20).contains(&permille(repeats)));
        assert!((40..=130).contains(&median));
        assert!(permille(deep) > 50);
    }

    #[test]
    fn gaps_and_digits_of_the_starting_book() {
        let market = Market::new(ProductSpec::btc_usd(), 5);
        let prices: Vec<i64> = market.book().asks.keys().copied().take(100).collect();
        let mut gaps: Vec<i64> = prices.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        assert!((10..=50).contains(&gaps[gaps.len() / 2]), "{}", gaps[gaps.len() / 2]);
        let two_decimals = prices.iter().filter(|&&price| price % 10 != 0).count();
        assert!((65..=95).contains(&two_decimals), "{two_decimals}");
        let sizes: Vec<u64> = market.book().changes().map(|level| level.size_units).collect();
        let full = sizes.iter().filter(|&&size| size % 10 != 0).count();
        let full = full * 100 / sizes.len();
        assert!((65..=82).contains(&full), "{full}");
    }

    #[test]
    fn the_book_keeps_its_size_for_a_long_time() {
        // The price wanders only in intervals that bring changes, so the quiet ones cost nothing.
        for (spec, steps) in [
            (ProductSpec::btc_usd().levels(200).quiet(850), 200_000),
            (ProductSpec::tiny_price().quiet(0), 20_000),
        ] {
            let mut market = Market::new(spec, 9);
            let mut changes = Vec::new();
            for step in 0..steps {
                market.step(&mut changes);
                if step % 64 == 0 {
                    for side in [Side::Bid, Side::Ask] {
                        let (depth, target) = (market.book().depth(side), market.target(side));
                        assert!(depth * 2 >= target && depth <= target * 2, "{depth} {target}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_one_sided_market_has_one_side() {
        for side in [Side::Bid, Side::Ask] {
            let mut market = Market::new(ProductSpec::sol_usd().one_sided(side), 2);
            let mut changes = Vec::new();
            for _ in 0..500 {
                market.step(&mut changes);
                assert!(changes.iter().all(|change| change.side == side));
                assert!(market.book().depth(side) > 0);
            }
            assert_eq!(market.book().best_bid().is_some(), side == Side::Bid);
            assert_eq!(market.book().best_ask().is_some(), side == Side::Ask);
        }
    }

    #[test]
    fn the_smallest_books_live_on() {
        for levels in [0, 1, 2, 3] {
            let mut market = Market::new(ProductSpec::btc_usd().levels(levels), 2);
            let mut changes = Vec::new();
            for _ in 0..2_000 {
                market.step(&mut changes);
                assert!(market.book().best_bid() < market.book().best_ask());
                assert!(market.book().best_bid().is_some());
            }
        }
    }

    #[test]
    #[should_panic(expected = "product id")]
    fn an_id_that_would_need_escaping_is_refused() {
        let _ = ProductSpec::new("BTC\"USD", 2, 8, 1_000);
    }

    const PINNED_STREAM: u64 = 17_612_870_583_587_123_955;
}
