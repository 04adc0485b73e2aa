//! The distributions measured on real traffic, as tables of integers.

/// The gap near the touch, in ticks, of the book from which the two profiles below were taken.
pub(super) const PROFILE_GAP_TICKS: u64 = 24;

/// Rank of a bid against its expected distance from the touch in ticks.
pub(super) const BID_PROFILE: [(u64, u64); 10] = [
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
/// as on the real venue, where an ask stands at a thousand times the price.
pub(super) const ASK_PROFILE: [(u64, u64); 12] = [
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
pub(super) const CHANGES: [(u64, u64); 9] = [
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
pub(super) const RANKS: [(u64, u64); 9] = [
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

/// The changes of an interval when little happens: the lower half of those measured.
pub(super) const CHANGES_CALM: [(u64, u64); 5] =
    [(0, 1), (250_000, 1), (500_000, 2), (900_000, 9), (1_000_000, 27)];

/// The changes of an interval when much happens: those measured on a busier venue in 100 ms, as
/// two intervals of 50 ms.
pub(super) const CHANGES_BUSY: [(u64, u64); 9] = [
    (0, 1),
    (50_000, 4),
    (250_000, 9),
    (500_000, 15),
    (750_000, 32),
    (900_000, 70),
    (950_000, 104),
    (990_000, 200),
    (1_000_000, 427),
];

/// The changes of an interval of a product that few trade: nearly always one.
pub(super) const CHANGES_ILLIQUID: [(u64, u64); 4] =
    [(0, 1), (900_000, 1), (980_000, 2), (1_000_000, 5)];

/// The ranks that changes fall on in books of a few hundred levels.
pub(super) const RANKS_ILLIQUID: [(u64, u64); 7] = [
    (0, 0),
    (180_000, 1),
    (530_000, 5),
    (680_000, 10),
    (850_000, 20),
    (990_000, 188),
    (1_000_000, 400),
];

/// The median of [`SIZES`].
pub(super) const SIZES_MEDIAN: u64 = 225_000;

/// Parts per million of the levels against their size, in units, for a median of
/// [`SIZES_MEDIAN`].
pub(super) const SIZES: [(u64, u64); 11] = [
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
