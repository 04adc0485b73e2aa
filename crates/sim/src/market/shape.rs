//! Where the levels of a random walk belong: the shape of its book, and draws that follow it.

use fastrand::Rng;

use super::spec::ProductSpec;
use super::tables::{ASK_PROFILE, BID_PROFILE, PROFILE_GAP_TICKS, SIZES, SIZES_MEDIAN};
use crate::interpolate::interpolate;
use crate::side::Side;

/// The number of levels over which the density is measured.
pub(super) const SPAN_LEVELS: usize = 8;

/// The most ranks whose expected distances are kept.
const MAX_DISTANCES: usize = 512;

/// The share of round prices near the touch and beyond [`DEEP_RANK`].
const ROUND_NEAR_PERMILLE: u64 = 110;
const ROUND_DEEP_PERMILLE: u64 = 330;
const DEEP_RANK: usize = 300;

/// The share of sizes with fewer decimals, and the most decimals that such a size has.
const SHORT_SIZE_PERMILLE: u64 = 190;
const MAX_SHORT_SIZE_DIGITS: u32 = 6;

/// The shape of a book: how many levels, how far from the touch, of which size.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    spec: ProductSpec,
    target_bids: usize,
    target_asks: usize,
    /// The expected distances of the ranks near the touch, where most changes fall.
    distances_bids: Box<[i64]>,
    distances_asks: Box<[i64]>,
}

impl Shape {
    pub(super) fn new(spec: ProductSpec) -> Self {
        let (target_bids, target_asks) = (target(&spec, Side::Bid), target(&spec, Side::Ask));
        let distances = |side, target: usize| {
            let ranks = 0..(target + SPAN_LEVELS + 1).min(MAX_DISTANCES);
            ranks.map(|rank| distance(&spec, side, rank)).collect()
        };
        Self {
            distances_bids: distances(Side::Bid, target_bids),
            distances_asks: distances(Side::Ask, target_asks),
            target_bids,
            target_asks,
            spec,
        }
    }

    pub(super) fn spec(&self) -> &ProductSpec {
        &self.spec
    }

    /// Returns the number of levels that this side is to hold.
    pub(super) fn target(&self, side: Side) -> usize {
        match side {
            Side::Bid => self.target_bids,
            Side::Ask => self.target_asks,
        }
    }

    /// Returns the expected distance, in ticks from the touch, of the level of this rank.
    pub(super) fn distance(&self, side: Side, rank: usize) -> i64 {
        let known = match side {
            Side::Bid => &self.distances_bids,
            Side::Ask => &self.distances_asks,
        };
        known.get(rank).copied().unwrap_or_else(|| distance(&self.spec, side, rank))
    }

    /// Returns the price this many ticks from the limit, rounded away from it to the increment.
    pub(super) fn price_at(&self, bid_limit: i64, side: Side, distance: i64) -> i64 {
        let increment = self.spec.increment_ticks;
        match side {
            Side::Bid => {
                let price = bid_limit - distance;
                price - price.rem_euclid(increment)
            }
            Side::Ask => {
                let price = bid_limit + increment + distance;
                price + (-price).rem_euclid(increment)
            }
        }
    }

    /// Draws a price near the expected place of this rank, at times a round number, as people
    /// prefer them. Returns `None` when it would fall to zero or below.
    pub(super) fn draw_price(
        &self,
        rng: &mut Rng,
        bid_limit: i64,
        side: Side,
        rank: usize,
    ) -> Option<i64> {
        let near = self.distance(side, rank);
        let far = self.distance(side, rank + 1);
        // The touch itself is where most people want to be: the spread is often one increment.
        let distance = if rank == 0 && rng.bool() { 0 } else { rng.i64(near..=far.max(near)) };
        let price = self.price_at(bid_limit, side, distance);
        let round = self.spec.round_ticks.max(self.spec.increment_ticks);
        let round_permille =
            if rank < DEEP_RANK { ROUND_NEAR_PERMILLE } else { ROUND_DEEP_PERMILLE };
        let price = if rng.u64(0..1_000) < round_permille {
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

    /// Draws a size of at least one unit; about a fifth are short numbers.
    pub(super) fn draw_size(&self, rng: &mut Rng, side: Side) -> u64 {
        let table = u128::from(interpolate(&SIZES, rng.u64(0..1_000_000)));
        // Resting bids are about four times the size of resting asks in the measured book.
        let parts = match side {
            Side::Bid => 16,
            Side::Ask => 4,
        };
        let median = u128::from(self.spec.median_size_units);
        let size = (table * median * parts / (10 * u128::from(SIZES_MEDIAN))) as u64;
        // Large values of the table are far apart: this gives them their last digits.
        let size = size + rng.u64(0..=size / 512);
        if rng.u64(0..1_000) >= SHORT_SIZE_PERMILLE {
            return size.max(1);
        }
        let digits = rng.u32(0..=MAX_SHORT_SIZE_DIGITS);
        let unit = 10u64.pow(u32::from(self.spec.size_scale).saturating_sub(digits));
        (size / unit).max(1) * unit
    }
}

/// Returns the expected distance, in ticks from the touch, of the level of this rank.
fn distance(spec: &ProductSpec, side: Side, rank: usize) -> i64 {
    let profile: &[(u64, u64)] = match side {
        Side::Bid => &BID_PROFILE,
        Side::Ask => &ASK_PROFILE,
    };
    let scaled = interpolate(profile, rank as u64) * spec.gap_ticks / PROFILE_GAP_TICKS;
    // Prices need room between them, or an insertion would find none.
    let floor = rank as i64 * 2 * spec.increment_ticks;
    (scaled as i64).max(floor)
}

/// Returns the number of levels that this side can keep: bids must stay above zero at the lowest
/// price that the mood allows.
fn target(spec: &ProductSpec, side: Side) -> usize {
    match (spec.only, side) {
        (Some(only), _) if only != side => 0,
        (_, Side::Ask) => spec.levels_per_side(),
        (_, Side::Bid) => {
            let room = spec.mid_ticks / 100 * (96 - spec.mood.range_percent());
            let (mut low, mut high) = (1, spec.levels_per_side());
            while low < high {
                let middle = (low + high).div_ceil(2);
                if distance(spec, Side::Bid, middle) <= room {
                    low = middle;
                } else {
                    high = middle - 1;
                }
            }
            low
        }
    }
}
