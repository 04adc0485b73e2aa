//! A comparison in interleaved rounds, so that the noise of a machine falls on all alike.

use std::time::{Duration, Instant};

use super::stack::Contender;
use super::stream::Stream;

/// The median times of one contender.
#[derive(Clone, Copy)]
pub(crate) struct Medians {
    /// From the first byte of the snapshots to the best bid and ask of the last of them.
    pub(crate) snapshot: Duration,
    /// For all updates, on warm books.
    pub(crate) updates: Duration,
}

/// Runs each contender over the stream once a round, each time from nothing.
pub(crate) fn compare(contenders: &[Contender], stream: &Stream, rounds: usize) -> Vec<Medians> {
    let times = interleaved(contenders.len(), rounds, |index| {
        let mut stack = (contenders[index].start)();
        let start = Instant::now();
        stack.take(stream.prelude());
        let snapshot = start.elapsed();
        stack.take(stream.warm_up());
        let start = Instant::now();
        stack.take(stream.updates());
        (snapshot, start.elapsed())
    });
    let medians = times.into_iter().map(|times| times.into_iter().unzip());
    medians
        .map(|(snapshot, updates)| Medians { snapshot: median(snapshot), updates: median(updates) })
        .collect()
}

/// Measures each of `count` contenders once a round, in an order that turns with the rounds, and
/// returns what came of it by contender.
pub(crate) fn interleaved<T>(
    count: usize,
    rounds: usize,
    mut measure: impl FnMut(usize) -> T,
) -> Vec<Vec<T>> {
    let mut results: Vec<Vec<T>> = (0..count).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for turn in 0..count {
            let index = (round + turn) % count;
            results[index].push(measure(index));
        }
    }
    results
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
