//! The times that are in frames.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;

use crate::interpolate::interpolate;

/// The server process has been up for 20 minutes to 28 hours when the exchange starts.
const UPTIME_SECONDS: Range<u64> = 1_200..100_000;
/// Heartbeats fall well inside a second of the uptime, so that no jitter of theirs makes the
/// counter skip or repeat a second.
const UPTIME_FRACTION_NS: Range<u64> = 100_000_000..900_000_000;

/// Parts per million of the frames against the time, in nanoseconds, from event to frame.
const DELAYS_NS: [(u64, u64); 5] = [
    (0, 26_000_000),
    (500_000, 42_000_000),
    (900_000, 55_000_000),
    (980_000, 70_000_000),
    (1_000_000, 85_000_000),
];

/// Draws the times of frames, in nanoseconds since the UNIX epoch.
#[derive(Debug)]
pub(super) struct Stamps {
    rng: Rng,
    start_ns: u64,
    last_ns: u64,
    /// The uptime of the server process at the start.
    uptime_ns: u64,
}

impl Stamps {
    pub(super) fn new(seed: u64, started_at: SystemTime) -> Self {
        let mut rng = Rng::with_seed(seed);
        let uptime_ns = rng.u64(UPTIME_SECONDS) * 1_000_000_000 + rng.u64(UPTIME_FRACTION_NS);
        // Times beyond what the setting allows count as the nearest one within.
        let start = started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_ns = nanos(start);
        Self { rng, start_ns, last_ns: start_ns, uptime_ns }
    }

    /// Returns the wall time at time `now` of the exchange, since the UNIX epoch.
    pub(super) fn unix_time(&self, now: Duration) -> Duration {
        Duration::from_nanos(self.start_ns).saturating_add(now)
    }

    /// Draws the send time of the next frame. It never runs backwards, and no two frames share
    /// one.
    pub(super) fn next(&mut self, now: Duration) -> u64 {
        let wall_ns = self.start_ns.saturating_add(nanos(now));
        let after_last = self.last_ns.saturating_add(self.rng.u64(20_000..150_000));
        let jittered = wall_ns.saturating_add(self.rng.u64(0..2_500_000));
        self.last_ns = jittered.max(after_last);
        self.last_ns
    }

    /// Draws when the event of a frame happened.
    pub(super) fn event(&mut self, stamp_ns: u64) -> u64 {
        stamp_ns.saturating_sub(interpolate(&DELAYS_NS, self.rng.u64(0..1_000_000)))
    }

    /// Draws when a heartbeat was made, a little before it is sent. Returns that and the uptime
    /// then.
    pub(super) fn heartbeat(&mut self, stamp_ns: u64) -> (u64, u64) {
        let current_ns = stamp_ns.saturating_sub(self.rng.u64(400_000..900_000));
        let running_ns = current_ns.saturating_sub(self.start_ns);
        (current_ns, self.uptime_ns + running_ns)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
