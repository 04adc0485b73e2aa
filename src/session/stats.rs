//! What a session has counted. Nothing is dropped without a count.

/// The counters of a session, over all its connections. They only rise.
///
/// Every message is counted in [`frames`](Self::frames), and then once more by what became of it:
/// `frames` is the sum of `book_frames`, `answers`, `heartbeats`, `other_channels`,
/// `refused`, `duplicates`, `discarded` and `unreadable`. Only where each product has its own
/// numbers ([`SequenceScope::Product`](super::SequenceScope::Product)) the duplicates are among the
/// `book_frames` already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages handed in while the connection was open.
    pub frames: u64,
    /// Order-book frames that were not exactly of the shape that the venue was seen to send, and
    /// were read by the slower of the parser's two tiers. A rise means that the venue has changed
    /// its form.
    pub general_frames: u64,
    /// Order-book frames taken in order, whatever they held.
    pub book_frames: u64,
    /// Sound frames not read, because their numbers showed a loss for which the connection was
    /// dropped.
    pub discarded: u64,
    /// Frames of which nothing could be read, not even a number.
    pub unreadable: u64,
    /// Answers to requests: the venue's lists of what is subscribed to.
    pub answers: u64,
    /// Levels applied to live books by updates, unchanged repeats and orphan deletes included.
    pub updates: u64,
    /// Snapshots that made or replaced a book.
    pub snapshots: u64,
    /// Gaps in the numbers of frames.
    pub gaps: u64,
    /// Restarts of the counter of frames.
    pub resets: u64,
    /// Frames not applied because their number was seen or is older than what was seen.
    pub duplicates: u64,
    /// Frames, or products' parts of them, that could not be read or held; the
    /// [`unreadable`](Self::unreadable) ones are among them.
    pub undecodable: u64,
    /// Books found crossed after a whole frame.
    pub crossed: u64,
    /// Deletes of levels that were not held. Normal: the venue merges the changes of 50 ms.
    pub orphan_deletes: u64,
    /// Updates ignored because their book awaits its snapshot.
    pub awaiting: u64,
    /// Events for products that nobody asked for.
    pub unasked: u64,
    /// Messages handed in while no connection was open.
    pub late: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Frames of channels that this library does not read.
    pub other_channels: u64,
    /// Error frames.
    pub refused: u64,
    /// Requests sent.
    pub requests: u64,
    /// Books that were lost and became live again.
    pub resyncs: u64,
    /// Dials after the first.
    pub reconnects: u64,
    /// Events thrown away because the caller polled too late.
    pub missed_events: u64,
}

impl Stats {
    /// Adds the counters of another session to these.
    pub const fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.general_frames += other.general_frames;
        self.book_frames += other.book_frames;
        self.discarded += other.discarded;
        self.unreadable += other.unreadable;
        self.answers += other.answers;
        self.updates += other.updates;
        self.snapshots += other.snapshots;
        self.gaps += other.gaps;
        self.resets += other.resets;
        self.duplicates += other.duplicates;
        self.undecodable += other.undecodable;
        self.crossed += other.crossed;
        self.orphan_deletes += other.orphan_deletes;
        self.awaiting += other.awaiting;
        self.unasked += other.unasked;
        self.late += other.late;
        self.heartbeats += other.heartbeats;
        self.other_channels += other.other_channels;
        self.refused += other.refused;
        self.requests += other.requests;
        self.resyncs += other.resyncs;
        self.reconnects += other.reconnects;
        self.missed_events += other.missed_events;
    }
}

/// The counters of one product. They only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProductStats {
    /// Levels applied to the live book by updates.
    pub updates: u64,
    /// How often the book was lost, for whatever cause.
    pub losses: u64,
    /// How often it was lost because numbers were missing.
    pub gaps: u64,
    /// How often it became live again after a loss.
    pub resyncs: u64,
    /// Deletes of levels that were not held.
    pub orphan_deletes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters of which no two are alike. Named one by one, so that none can be left out.
    const fn counted(unit: u64) -> Stats {
        Stats {
            frames: unit,
            general_frames: 2 * unit,
            book_frames: 3 * unit,
            discarded: 4 * unit,
            unreadable: 5 * unit,
            answers: 6 * unit,
            updates: 7 * unit,
            snapshots: 8 * unit,
            gaps: 9 * unit,
            resets: 10 * unit,
            duplicates: 11 * unit,
            undecodable: 12 * unit,
            crossed: 13 * unit,
            orphan_deletes: 14 * unit,
            awaiting: 15 * unit,
            unasked: 16 * unit,
            late: 17 * unit,
            heartbeats: 18 * unit,
            other_channels: 19 * unit,
            refused: 20 * unit,
            requests: 21 * unit,
            resyncs: 22 * unit,
            reconnects: 23 * unit,
            missed_events: 24 * unit,
        }
    }

    #[test]
    fn every_counter_is_added_to_its_own() {
        let mut sum = counted(1);
        sum.add(&counted(100));
        assert_eq!(sum, counted(101));
        sum.add(&Stats::default());
        assert_eq!(sum, counted(101));
    }
}
