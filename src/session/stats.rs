//! Session counters; every discarded message is counted.

use super::policy::SequenceScope;
use super::status::Cause;
use crate::book::Applied;
use crate::sequence::Arrival;

/// The counters of a session, over all its connections. They only rise.
///
/// Every message is counted in [`frames`](Self::frames), and then once more by what became of it:
/// `frames` is the sum of `book_frames`, `answers`, `heartbeats`, `other_channels`,
/// `refused`, `duplicates`, `discarded` and `unreadable`. Only where each product has its own
/// numbers ([`SequenceScope::Product`]) the duplicates are among the `book_frames` already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Stats {
    /// Messages that arrived while the connection was open.
    pub frames: u64,
    /// Order-book frames that were not exactly of the shape that the venue was seen to send, and
    /// were read by the slower of the parser's two tiers. A rise means that the venue has changed
    /// its form.
    pub general_frames: u64,
    /// Order-book frames accepted in order, whatever they held.
    pub book_frames: u64,
    /// Sound frames that were not read, because their numbers showed a loss for which the
    /// connection was dropped.
    pub discarded: u64,
    /// Frames of which nothing could be read, not even a number.
    pub unreadable: u64,
    /// Acknowledgements: the venue's lists of what is subscribed to.
    pub answers: u64,
    /// Levels applied to live books by updates, unchanged repeats and orphan deletes included.
    pub updates: u64,
    /// Snapshots that made or replaced a book.
    pub snapshots: u64,
    /// Gaps in the sequence numbers.
    pub gaps: u64,
    /// Restarts of the sequence numbers.
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
    /// Events for products that were not requested.
    pub unasked: u64,
    /// Messages that arrived while no connection was open.
    pub late: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Frames on unsupported channels.
    pub other_channels: u64,
    /// Error frames.
    pub refused: u64,
    /// Requests sent.
    pub requests: u64,
    /// Books that were lost and became live again.
    pub resyncs: u64,
    /// Dials after the first.
    pub reconnects: u64,
    /// Events dropped because the caller fell behind.
    pub missed_events: u64,
}

/// What became of a message that arrived on an open connection. Duplicates are counted by their
/// [arrival](Stats::record_arrival).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answer,
    Book { is_expected_shape: bool },
    Discarded,
    Heartbeat,
    OtherChannel,
    Refused,
    Unreadable,
}

impl Stats {
    /// Counts a message that has arrived.
    #[inline]
    pub(super) const fn record_message(&mut self, is_open: bool) {
        if is_open {
            self.frames += 1;
        } else {
            self.late += 1;
        }
    }

    /// Counts what became of a message.
    #[inline]
    pub(super) const fn record(&mut self, fate: Fate) {
        match fate {
            Fate::Answer => self.answers += 1,
            Fate::Book { is_expected_shape } => {
                self.book_frames += 1;
                self.general_frames += !is_expected_shape as u64;
            }
            Fate::Discarded => self.discarded += 1,
            Fate::Heartbeat => self.heartbeats += 1,
            Fate::OtherChannel => self.other_channels += 1,
            Fate::Refused => self.refused += 1,
            Fate::Unreadable => self.unreadable += 1,
        }
    }

    /// Counts how the number of a frame arrived.
    #[inline]
    pub(super) const fn record_arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::InOrder => {}
            Arrival::Duplicate => self.duplicates += 1,
            Arrival::Gap { .. } => self.gaps += 1,
            Arrival::Reset => self.resets += 1,
        }
    }

    /// Counts the levels of an update.
    #[inline]
    pub(super) const fn record_applied(&mut self, applied: &Applied) {
        self.updates += applied.total;
        self.orphan_deletes += applied.absent;
    }

    /// Counts an event whose book awaits its snapshot.
    pub(super) const fn record_awaiting(&mut self) {
        self.awaiting += 1;
    }

    /// Counts a book that was found crossed.
    pub(super) const fn record_crossed(&mut self) {
        self.crossed += 1;
    }

    /// Counts a dial.
    pub(super) const fn record_dial(&mut self, is_first: bool) {
        self.reconnects += !is_first as u64;
    }

    /// Counts an event that was dropped.
    pub(super) const fn record_missed_event(&mut self) {
        self.missed_events += 1;
    }

    /// Counts a request.
    pub(super) const fn record_request(&mut self) {
        self.requests += 1;
    }

    /// Counts a snapshot that was published.
    pub(super) const fn record_synced(&mut self, was_lost: bool) {
        self.snapshots += 1;
        self.resyncs += was_lost as u64;
    }

    /// Counts an event for a product that was not requested.
    pub(super) const fn record_unasked(&mut self) {
        self.unasked += 1;
    }

    /// Counts a frame, or a product's part of one, that could not be read or held.
    pub(super) const fn record_undecodable(&mut self) {
        self.undecodable += 1;
    }

    /// Returns whether every message that has arrived is counted once by what became of it.
    pub(super) const fn is_balanced(&self, scope: SequenceScope) -> bool {
        let duplicates = match scope {
            SequenceScope::Connection => self.duplicates,
            SequenceScope::Product => 0,
        };
        let fates = self.book_frames
            + self.answers
            + self.heartbeats
            + self.other_channels
            + self.refused
            + self.discarded
            + self.unreadable;
        self.frames == fates + duplicates
    }

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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
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

impl ProductStats {
    /// Counts the levels of an update.
    #[inline]
    pub(super) const fn record_applied(&mut self, applied: &Applied) {
        self.updates += applied.total;
        self.orphan_deletes += applied.absent;
    }

    /// Counts a loss of the book.
    pub(super) fn record_loss(&mut self, cause: Cause) {
        self.losses += 1;
        self.gaps += u64::from(cause == Cause::Gap);
    }

    /// Counts a snapshot that was published.
    pub(super) const fn record_synced(&mut self, was_lost: bool) {
        self.resyncs += was_lost as u64;
    }
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

    #[test]
    fn every_message_is_counted_once_by_what_became_of_it() {
        let mut stats = Stats::default();
        for fate in [
            Fate::Answer,
            Fate::Book { is_expected_shape: true },
            Fate::Book { is_expected_shape: false },
            Fate::Discarded,
            Fate::Heartbeat,
            Fate::OtherChannel,
            Fate::Refused,
            Fate::Unreadable,
        ] {
            stats.record_message(true);
            assert!(!stats.is_balanced(SequenceScope::Connection), "{fate:?} is not counted yet");
            stats.record(fate);
            assert!(stats.is_balanced(SequenceScope::Connection), "{fate:?}");
        }
        assert_eq!((stats.book_frames, stats.general_frames), (2, 1));
        stats.record_message(false);
        stats.record_arrival(Arrival::Gap { expected: 1, got: 2 });
        assert!(stats.is_balanced(SequenceScope::Connection), "late messages and gaps are apart");
        stats.record_arrival(Arrival::Duplicate);
        assert!(stats.is_balanced(SequenceScope::Product), "the frame of it is counted already");
        assert!(!stats.is_balanced(SequenceScope::Connection));
        stats.record_message(true);
        assert!(stats.is_balanced(SequenceScope::Connection));
    }
}
