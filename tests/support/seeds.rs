//! Which seeds a simulation runs, and how a failing one is told: `SEED=n` runs that one alone,
//! `SEEDS=n` as many, `FIRST=n` from that one on.

use std::fmt::Debug;
use std::ops::Range;

/// Prints which seed was at work, and under what, when a check failed.
pub(crate) struct Told<T: Debug>(pub(crate) u64, pub(crate) T);

impl<T: Debug> Drop for Told<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SEED={} under {:?}", self.0, self.1);
        }
    }
}

/// Returns the seeds that were asked for, `default` of them unless it was said how many.
pub(crate) fn seeds(default: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("FIRST").unwrap_or(0);
            first..first + number("SEEDS").unwrap_or(default)
        }
    }
}
