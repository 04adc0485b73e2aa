//! What a soak counts and times itself.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest times that are told apart; longer ones count as these.
const MAX_HEAL_MS: u64 = 600_000;
const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// How many digits of a time are kept.
const DIGITS: u8 = 3;

/// Counts and times since the start.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) phases: u64,
    pub(crate) rests: u64,
    pub(crate) switchovers: u64,
    /// Best bids and asks that were equal to the truth, those of reading threads included.
    pub(crate) bbos_checked: u64,
    /// Those of reading threads among them.
    pub(crate) samples_checked: u64,
    /// Those that the exchange no longer knew the truth of.
    pub(crate) bbos_forgotten: u64,
    pub(crate) books_compared: u64,
    pub(crate) levels_compared: u64,
    /// The longest time from the end of the faults until everything was found healed.
    pub(crate) longest_rest: Duration,
    /// From the loss of a product's book until it was live again, in milliseconds.
    pub(crate) heals_ms: Histogram<u64>,
    /// From a frame's leaving the socket until readers could see what it changed.
    pub(crate) latencies_ns: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let histogram = |most| {
            let histogram = Histogram::new_with_bounds(1, most, DIGITS);
            histogram.expect("constant bounds that a histogram takes")
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

    pub(crate) fn time_heal(&mut self, heal: Duration) {
        self.heals_ms.saturating_record(u64::try_from(heal.as_millis()).unwrap_or(u64::MAX));
    }

    pub(crate) fn time_frame(&mut self, latency: Duration) {
        self.latencies_ns.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }
}
