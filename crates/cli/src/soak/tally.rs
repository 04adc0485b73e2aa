//! What a soak counts and measures itself.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest times that are recorded. Longer ones count as these.
const MAX_HEAL_MS: u64 = 600_000;
const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// How many significant digits of a time are recorded.
const DIGITS: u8 = 3;

/// Counts and times since the start.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) phases: u64,
    /// Rests, at which faults and markets paused, and all books were found healed.
    pub(super) rests: u64,
    pub(super) switchovers: u64,
    /// BBOs equal to the truth, with those of reading threads.
    pub(super) bbos_checked: u64,
    /// Those of reading threads alone.
    pub(super) samples_checked: u64,
    /// BBOs whose truth the exchange no longer knew.
    pub(super) bbos_forgotten: u64,
    pub(super) books_compared: u64,
    pub(super) levels_compared: u64,
    /// The longest time from the end of the faults until all books were found healed.
    pub(super) longest_rest: Duration,
    /// Times from the loss of a book until it was live again, in milliseconds.
    pub(super) heals_ms: Histogram<u64>,
    /// Times from the receipt of a frame until its change was published, in nanoseconds.
    pub(super) latencies_ns: Histogram<u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let histogram = |max| {
            let histogram = Histogram::new_with_bounds(1, max, DIGITS);
            histogram.expect("the bounds are constants that a histogram accepts")
        };
        Self {
            phases: 0,
            rests: 0,
            switchovers: 0,
            bbos_checked: 0,
            samples_checked: 0,
            bbos_forgotten: 0,
            books_compared: 0,
            levels_compared: 0,
            longest_rest: Duration::ZERO,
            heals_ms: histogram(MAX_HEAL_MS),
            latencies_ns: histogram(MAX_LATENCY_NS),
        }
    }

    pub(super) fn record_heal(&mut self, heal: Duration) {
        self.heals_ms.saturating_record(u64::try_from(heal.as_millis()).unwrap_or(u64::MAX));
    }

    pub(super) fn record_latency(&mut self, latency: Duration) {
        self.latencies_ns.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }
}
