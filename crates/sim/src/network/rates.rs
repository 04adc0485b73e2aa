//! How a network behaves: what strikes how often, and for how long.

use std::time::Duration;

use fastrand::Rng;

use crate::fault::FaultRates;

/// The slowest network that a swarm draws.
const SLOWEST_MS: u64 = 400;

/// How a network behaves: what strikes how often, and for how long.
///
/// Rates are in parts per million of the exchange's frames, or, for dials, of the dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkRates {
    /// What happens to single frames.
    pub faults: FaultRates,
    /// The shortest and the longest time that a message or a dial takes; each draws its own. The
    /// order of messages stays. The default is 1 ms to 40 ms.
    pub latency: (Duration, Duration),
    /// From this frame on nothing reaches the client for a while; then everything does at once.
    pub clog_ppm: u32,
    /// The longest such time. The default is 3 s.
    pub max_clog: Duration,
    /// From this frame on nothing gets through either way for a while; then everything does. Dials
    /// made meanwhile are never answered, and the exchange does not learn that the client hung up.
    pub partition_ppm: u32,
    /// The longest such time. The default is 15 s.
    pub max_partition: Duration,
    /// The venue closes the connection after this frame, with a code of
    /// [`CLOSE_CODES`](crate::CLOSE_CODES) or none.
    pub close_ppm: u32,
    /// A dial is refused.
    pub dial_refused_ppm: u32,
    /// A dial is answered with an HTTP status of [`REJECTIONS`](crate::REJECTIONS).
    pub dial_rejected_ppm: u32,
    /// A dial is never answered.
    pub dial_lost_ppm: u32,
}

impl NetworkRates {
    /// Draws from a seed which kinds of fault strike and how often, for a swarm of tests: one seed
    /// in eight has none, two have a single kind, the others several, each at a rate of its own.
    #[must_use]
    pub fn swarm(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut rates = Self::default();
        let slow = Duration::from_millis(rng.u64(0..=SLOWEST_MS));
        rates.latency.1 = rates.latency.1.max(slow);
        let kinds = rates.kinds().len();
        let (kind_of_seed, only) = (rng.usize(0..8), rng.usize(0..kinds));
        for (kind, (ppm, most)) in rates.kinds().into_iter().enumerate() {
            let is_on = match kind_of_seed {
                0 => false,
                1 | 2 => kind == only,
                _ => rng.bool(),
            };
            // Each is drawn, so that the kinds that are on do not depend on those that are off.
            let drawn = rng.u32(1..=most);
            *ppm = if is_on { drawn } else { 0 };
        }
        rates
    }

    /// Returns every rate, and the most that a swarm draws. Faults that break the whole connection
    /// are rarer, or there would be no others.
    pub(super) fn kinds(&mut self) -> [(&mut u32, u32); 15] {
        let faults = &mut self.faults;
        [
            (&mut faults.drop_ppm, 30_000),
            (&mut faults.duplicate_ppm, 50_000),
            (&mut faults.reorder_ppm, 30_000),
            (&mut faults.garble_ppm, 30_000),
            (&mut faults.truncate_ppm, 20_000),
            (&mut faults.abort_ppm, 6_000),
            (&mut faults.stall_ppm, 4_000),
            (&mut faults.reset_ppm, 8_000),
            (&mut faults.split_ppm, 20_000),
            (&mut self.clog_ppm, 5_000),
            (&mut self.partition_ppm, 2_000),
            (&mut self.close_ppm, 6_000),
            (&mut self.dial_refused_ppm, 500_000),
            (&mut self.dial_rejected_ppm, 200_000),
            (&mut self.dial_lost_ppm, 100_000),
        ]
    }
}

impl Default for NetworkRates {
    fn default() -> Self {
        Self {
            faults: FaultRates::default(),
            latency: (Duration::from_millis(1), Duration::from_millis(40)),
            clog_ppm: 0,
            max_clog: Duration::from_secs(3),
            partition_ppm: 0,
            max_partition: Duration::from_secs(15),
            close_ppm: 0,
            dial_refused_ppm: 0,
            dial_rejected_ppm: 0,
            dial_lost_ppm: 0,
        }
    }
}
