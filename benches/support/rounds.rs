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

/// Runs each contender over the stream once a round, each time from nothing, in an order that
/// turns with the rounds.
pub(crate) fn compare(contenders: &[Contender], stream: &Stream, rounds: usize) -> Vec<Medians> {
    let mut snapshots = vec![Vec::with_capacity(rounds); contenders.len()];
    let mut updates = snapshots.clone();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let mut stack = (contenders[index].start)();
            let start = Instant::now();
            stack.take(stream.prelude());
            snapshots[index].push(start.elapsed());
            stack.take(stream.warm_up());
            let start = Instant::now();
            stack.take(stream.updates());
            updates[index].push(start.elapsed());
        }
    }
    let medians = snapshots.into_iter().zip(updates);
    medians
        .map(|(snapshot, updates)| Medians { snapshot: median(snapshot), updates: median(updates) })
        .collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
