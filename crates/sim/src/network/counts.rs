//! The counters of a network.

use crate::fault::FaultCounts;

/// The counters of a [`Network`](crate::Network) since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// What happened to single frames.
    pub faults: FaultCounts,
    /// Times in which nothing reached the client.
    pub clogs: u64,
    /// Times in which nothing got through either way.
    pub partitions: u64,
    /// Connections closed by the venue, with or without a code.
    pub closes: u64,
    /// Dials, failed ones included.
    pub dials: u64,
    /// Dials that were refused.
    pub dials_refused: u64,
    /// Dials that were answered with an HTTP status.
    pub dials_rejected: u64,
    /// Dials that were never answered.
    pub dials_lost: u64,
}

impl NetworkCounts {
    /// Returns how many faults of any kind there were.
    #[must_use]
    pub fn faults(&self) -> u64 {
        let Self { faults, clogs, partitions, closes, dials: _, .. } = *self;
        let dials = self.dials_refused + self.dials_rejected + self.dials_lost;
        faults.faults() + clogs + partitions + closes + dials
    }

    /// Adds the counts of another network to these.
    pub fn add(&mut self, other: &Self) {
        self.faults.add(&other.faults);
        self.clogs += other.clogs;
        self.partitions += other.partitions;
        self.closes += other.closes;
        self.dials += other.dials;
        self.dials_refused += other.dials_refused;
        self.dials_rejected += other.dials_rejected;
        self.dials_lost += other.dials_lost;
    }
}
