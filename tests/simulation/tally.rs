//! What runs have done together.

use std::fmt;
use std::time::Duration;

use level2::session::Stats;
use level2_sim::NetworkCounts;

/// The sums over some runs.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    /// Virtual time.
    pub(crate) time: Duration,
    pub(crate) link: NetworkCounts,
    pub(crate) stats: Stats,
    /// Best bids and asks, and whole books, found equal to the truth.
    pub(crate) looks: u64,
    pub(crate) books: u64,
    /// How often the venue did something odd.
    pub(crate) oddities: u64,
    /// How often the machine slept.
    pub(crate) sleeps: u64,
    /// How often the caller took a product away or brought one back.
    pub(crate) changes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.time += other.time;
        self.link.add(&other.link);
        self.stats.add(&other.stats);
        self.looks += other.looks;
        self.books += other.books;
        self.oddities += other.oddities;
        self.sleeps += other.sleeps;
        self.changes += other.changes;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, time, link, stats, looks, books, oddities, sleeps, changes } = self;
        let days = time.as_secs_f64() / 86_400.0;
        writeln!(f, "{runs} runs, {days:.2} days of feed")?;
        write!(f, "{} faults of the network, {oddities} of the venue, ", link.faults())?;
        writeln!(f, "{sleeps} sleeps: {link:?}")?;
        writeln!(f, "{stats:?}")?;
        write!(f, "{changes} products taken away or brought back; ")?;
        write!(f, "{looks} best bids and asks and {books} whole books equal to the truth")
    }
}
