//! Phases of faults, drawn from the seed.
//!
//! The kinds of faults and their rates differ from phase to phase: each kind also occurs alone,
//! with few others, and not at all.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;
use level2_sim::FaultRates;

/// The length of a phase in milliseconds.
const LENGTH_MS: RangeInclusive<u64> = 2_000..=10_000;

/// How many phases in ten have no faults.
const QUIET_TENTHS: u64 = 1;

/// How many phases in ten have a single kind of fault.
const ALONE_TENTHS: u64 = 3;

/// All faults of a phase, in frames of a million. A connection has about 60 frames a second.
const RATE_PPM: RangeInclusive<u32> = 2_000..=12_000;

/// The most stalls and aborts, in frames of a million. Each costs a connection, and a stall takes
/// seconds to notice: more of them would leave less time for other faults.
const MAX_STALL_PPM: u32 = 1_500;
const MAX_ABORT_PPM: u32 = 3_000;

/// The number of kinds, and the indices of some of them.
const KINDS: usize = 8;
const DROP: usize = 0;
const REORDER: usize = 2;
const RESET: usize = 7;

/// A time with its own rates of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) rates: FaultRates,
    pub(super) length: Duration,
}

impl Phase {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let mut weights = [0u32; KINDS];
        match rng.u64(0..10) {
            draw if draw < QUIET_TENTHS => {}
            draw if draw < QUIET_TENTHS + ALONE_TENTHS => weights[rng.usize(0..KINDS)] = 1,
            _ => weights.fill_with(|| if rng.bool() { rng.u32(1..=10) } else { 0 }),
        }
        // A counter that is reset soon after its start, and whose frame 0 is lost or late, looks
        // like one that goes on. No client can tell, so these faults do not occur together.
        if weights[RESET] > 0 {
            (weights[DROP], weights[REORDER]) = (0, 0);
        }
        let (rate, total) = (rng.u32(RATE_PPM), weights.iter().sum::<u32>().max(1));
        let [drop, duplicate, reorder, garble, truncate, abort, stall, reset] =
            weights.map(|weight| rate * weight / total);
        Self {
            rates: FaultRates {
                drop_ppm: drop,
                duplicate_ppm: duplicate,
                reorder_ppm: reorder,
                garble_ppm: garble,
                truncate_ppm: truncate,
                abort_ppm: abort.min(MAX_ABORT_PPM),
                stall_ppm: stall.min(MAX_STALL_PPM),
                reset_ppm: reset,
                ..FaultRates::default()
            },
            length: Duration::from_millis(rng.u64(LENGTH_MS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_quiet_single_and_mixed_and_the_seed_decides_them() {
        let draw = |seed| {
            let mut rng = Rng::with_seed(seed);
            (0..1_000).map(|_| Phase::draw(&mut rng)).collect::<Vec<_>>()
        };
        let phases = draw(1);
        assert_eq!(phases, draw(1));
        assert_ne!(phases, draw(2));
        let kinds = |phase: &Phase| phase.rates.ppm().map(|ppm| ppm > 0);
        let of_count = |count: usize| {
            let kinds = phases.iter().map(kinds);
            kinds.filter(|has| has.iter().filter(|has| **has).count() == count).collect::<Vec<_>>()
        };
        assert!(of_count(0).len() > 50, "without faults");
        let (alone, mixed) = (of_count(1), of_count(4));
        for kind in 0..KINDS {
            assert!(alone.iter().any(|has| has[kind]), "kind {kind} alone");
            assert!(mixed.iter().any(|has| has[kind]), "kind {kind} with others");
        }
        assert!(phases.iter().map(kinds).all(|has| !(has[RESET] && (has[DROP] || has[REORDER]))));
    }
}
