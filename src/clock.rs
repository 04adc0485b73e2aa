//! The clocks and the randomness of this process. The core takes both as arguments.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::wire::UnixNanos;

/// Returns the current time of tokio's monotonic clock, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns the current time of the wall clock. A clock before 1970 reads as 1970, and one that
/// 64 bits of nanoseconds do not reach (2554) as the last moment that they do.
pub(crate) fn wall_now() -> UnixNanos {
    let now = SystemTime::now();
    let nearest = if now < UNIX_EPOCH { 0 } else { u64::MAX };
    UnixNanos::try_from(now).unwrap_or_else(|_| UnixNanos::new(nearest))
}

/// Returns a seed that differs from call to call and from process to process.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};

    RandomState::new().hash_one(0)
}
