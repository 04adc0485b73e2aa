//! How lively a market is: how often it changes, how far it moves, whether a side runs empty.

use std::ops::RangeInclusive;

use fastrand::Rng;

use super::tables::{CHANGES, CHANGES_BUSY, CHANGES_CALM, CHANGES_ILLIQUID, RANKS, RANKS_ILLIQUID};

const MAX_ILLIQUID_LEVELS: usize = 12;
const CRASH_RANGE_PERCENT: i64 = 30;

/// How many intervals a mood stays.
const MOOD_INTERVALS: RangeInclusive<u32> = 200..=2_400;

/// How lively a market is. See [`ProductSpec::mood`](crate::ProductSpec::mood).
///
/// [`Measured`](Self::Measured) is what recordings of the venue show. No recording of the others
/// is known: [`Busy`](Self::Busy) and [`Illiquid`](Self::Illiquid) take their numbers from
/// recordings of other venues and feeds, [`Calm`](Self::Calm) the lower half of those measured,
/// and [`Crash`](Self::Crash) is made to be harder on a client than any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mood {
    /// An ordinary hour of the product: a change in nearly every interval, 12 levels a frame on
    /// average, a hundred at times; the price stays within a percent of where it began.
    #[default]
    Measured,
    /// Seven of ten intervals bring nothing and the others a median of two changes; the price
    /// hardly moves.
    Calm,
    /// Every interval brings changes, a median of 15 and 400 at times; the price moves in four of
    /// ten intervals and often sweeps levels.
    Busy,
    /// As busy, and the price falls: sweeps through many levels, jumps of up to eight percent of
    /// the price in one interval (which delete every level they pass, up to a thousand), and a
    /// side without any level for up to two seconds. The price strays up to 30 percent from where
    /// it began.
    Crash,
    /// Seconds pass between two changes, which are single ones. Each side has a dozen levels at
    /// most, and at times one has none for up to a minute.
    Illiquid,
    /// Each of the others for 200 to 2,400 intervals (10 s to 2 min), by the seed: most of the
    /// time calm or as measured, and sometimes a crash. The number of levels is not lowered.
    Changing,
}

impl Mood {
    /// Returns the most levels of a side.
    pub(super) fn max_levels(self) -> usize {
        if self == Self::Illiquid { MAX_ILLIQUID_LEVELS } else { usize::MAX }
    }

    /// Returns how far the price may stray from where it began.
    pub(super) fn range_percent(self) -> i64 {
        match self {
            Self::Crash | Self::Changing => CRASH_RANGE_PERCENT,
            _ => 1,
        }
    }

    /// Returns the mood that a market of this one begins with.
    pub(super) fn first(self) -> Self {
        if self == Self::Changing { Self::Measured } else { self }
    }

    /// Draws a mood that a changing market takes on, and for how many intervals it stays.
    pub(super) fn draw(rng: &mut Rng) -> (Self, u32) {
        let mood = match rng.u64(0..100) {
            0..35 => Self::Calm,
            35..65 => Self::Measured,
            65..85 => Self::Busy,
            85..90 => Self::Crash,
            _ => Self::Illiquid,
        };
        (mood, rng.u32(MOOD_INTERVALS))
    }

    /// Returns the numbers of a mood.
    pub(super) fn temper(self) -> &'static Temper {
        match self {
            Self::Measured | Self::Changing => &MEASURED,
            Self::Calm => &CALM,
            Self::Busy => &BUSY,
            Self::Crash => &CRASH,
            Self::Illiquid => &ILLIQUID,
        }
    }
}

/// The numbers of a mood. Shares are out of a thousand intervals that bring changes, unless they
/// say otherwise.
#[derive(Debug)]
pub(super) struct Temper {
    /// The share of all intervals that bring no change.
    pub(super) quiet_permille: u64,
    /// Parts per million of the intervals against the number of changes of an interval.
    pub(super) changes: &'static [(u64, u64)],
    /// Parts per million of the changes against the rank of the level they fall on.
    pub(super) ranks: &'static [(u64, u64)],
    /// The share in which the price moves.
    pub(super) move_permille: u64,
    /// The share of moves that are sweeps, and how much longer those are.
    pub(super) sweep_permille: u64,
    pub(super) sweep_factor: i64,
    /// The share of moves that are jumps, and the longest jump in percent of the price.
    pub(super) jump_permille: u64,
    pub(super) max_jump_percent: i64,
    /// Where the price is drawn to, in thousandths of the way to the end of its range.
    pub(super) drift_permille: i64,
    /// The share in which a side without a level at the touch gets one there.
    pub(super) quote_permille: u64,
    /// The most levels that one move deletes.
    pub(super) max_deletes: usize,
    /// The share in which a side loses all its levels, and the most intervals with changes that it
    /// then stays empty for.
    pub(super) drain_permille: u64,
    pub(super) max_drained: u32,
}

const MEASURED: Temper = Temper {
    quiet_permille: 0,
    changes: &CHANGES,
    ranks: &RANKS,
    move_permille: 150,
    sweep_permille: 5,
    sweep_factor: 20,
    jump_permille: 0,
    max_jump_percent: 0,
    drift_permille: 0,
    quote_permille: 250,
    max_deletes: 64,
    drain_permille: 0,
    max_drained: 0,
};

const CALM: Temper = Temper {
    quiet_permille: 700,
    changes: &CHANGES_CALM,
    move_permille: 30,
    sweep_permille: 0,
    ..MEASURED
};

const BUSY: Temper =
    Temper { changes: &CHANGES_BUSY, move_permille: 400, sweep_permille: 20, ..MEASURED };

const CRASH: Temper = Temper {
    move_permille: 600,
    sweep_permille: 100,
    jump_permille: 25,
    max_jump_percent: 8,
    drift_permille: -400,
    quote_permille: 150,
    max_deletes: 1_024,
    drain_permille: 8,
    max_drained: 40,
    ..BUSY
};

const ILLIQUID: Temper = Temper {
    quiet_permille: 980,
    changes: &CHANGES_ILLIQUID,
    ranks: &RANKS_ILLIQUID,
    move_permille: 100,
    sweep_permille: 0,
    quote_permille: 60,
    drain_permille: 15,
    max_drained: 20,
    ..MEASURED
};
