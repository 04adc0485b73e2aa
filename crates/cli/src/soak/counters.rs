//! What must hold of the counters at any moment.

use level2::books::BooksStats;
use level2::session::Stats;
use level2_sim::{ExchangeCounts, FaultCounts};

/// Where a counter after a restart is older than what was seen, so many frames may be taken for
/// duplicates before the restart is certain.
const DUPLICATES_PER_RESET: u64 = 8;

/// Every counter there is, read at one moment: first those of the books, so that what they have
/// received was counted by the exchange as sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    pub(crate) books: BooksStats,
    pub(crate) faults: FaultCounts,
    pub(crate) exchange: ExchangeCounts,
    pub(crate) accepted: u64,
}

impl Counters {
    /// Says what is wrong with these as they follow earlier ones.
    pub(crate) fn check(&self, before: &Self) -> Result<(), String> {
        let (books, books_before) = (named(&self.books.session), named(&before.books.session));
        for ((name, now), (_, then)) in books.into_iter().zip(books_before) {
            if now < then {
                return Err(format!("the counter {name} went back from {then} to {now}"));
            }
        }
        self.check_nothing_invented()?;
        self.check_conservation()
    }

    /// Returns how many frames the exchange handed to sockets.
    pub(crate) fn frames_sent(&self) -> u64 {
        let faults = &self.faults;
        let withheld = faults.drops + faults.aborts + faults.stalls;
        (faults.frames + faults.duplicates).saturating_sub(withheld)
    }

    /// Nothing that the exchange never does is found to have happened.
    fn check_nothing_invented(&self) -> Result<(), String> {
        let Stats { crossed, unasked, missed_events, refused, .. } = self.books.session;
        for (name, count) in [
            ("crossed books", crossed),
            ("events of products that nobody asked for", unasked),
            ("events that came too fast", missed_events),
            ("refusals", refused),
            ("requests that the exchange could not read", self.exchange.errors),
            ("connections that did not keep up", self.exchange.overflows),
        ] {
            if count > 0 {
                return Err(format!("expected no {name}, but there were {count}"));
            }
        }
        Ok(())
    }

    /// What was received was sent, what was found was done, what was opened was dialled.
    fn check_conservation(&self) -> Result<(), String> {
        let Self { books, faults, exchange, accepted } = self;
        let stats = &books.session;
        let broken = faults.garbles + faults.truncates;
        // A frame that comes late is a gap where it was due and a duplicate where it comes.
        let late = faults.reorders;
        let sum = stats.book_frames
            + stats.answers
            + stats.heartbeats
            + stats.other_channels
            + stats.refused
            + stats.duplicates
            + stats.discarded
            + stats.unreadable;
        if stats.frames != sum {
            return Err(format!("{} frames came, and {sum} are accounted for", stats.frames));
        }
        let dials = stats.reconnects + books.connections as u64;
        for (what, count, most) in [
            ("frames received, and sent", stats.frames + stats.late, self.frames_sent()),
            ("frames that could not be read, and broken ones", stats.undecodable, broken),
            ("frames of another shape, and broken ones", stats.general_frames, broken),
            // The number 0 once more is a counter that began again, whatever brought it.
            (
                "counters that began again, and resets and frames that came twice or late",
                stats.resets,
                faults.resets + faults.duplicates + late,
            ),
            (
                "gaps, and frames that were lost, late, broken or counted anew",
                stats.gaps,
                faults.drops + late + broken + faults.resets,
            ),
            (
                "duplicates, and frames that came twice, late or counted anew",
                stats.duplicates,
                faults.duplicates + late + DUPLICATES_PER_RESET * faults.resets,
            ),
            ("requests that came, and sent ones", exchange.requests, stats.requests),
            ("connections accepted, and dials", *accepted, dials),
        ] {
            if count > most {
                return Err(format!("expected no more {what}, but {count} exceed {most}"));
            }
        }
        Ok(())
    }
}

/// Every counter of a session under its name.
fn named(stats: &Stats) -> [(&'static str, u64); 24] {
    [
        ("frames", stats.frames),
        ("general_frames", stats.general_frames),
        ("book_frames", stats.book_frames),
        ("discarded", stats.discarded),
        ("unreadable", stats.unreadable),
        ("answers", stats.answers),
        ("updates", stats.updates),
        ("snapshots", stats.snapshots),
        ("gaps", stats.gaps),
        ("resets", stats.resets),
        ("duplicates", stats.duplicates),
        ("undecodable", stats.undecodable),
        ("crossed", stats.crossed),
        ("orphan_deletes", stats.orphan_deletes),
        ("awaiting", stats.awaiting),
        ("unasked", stats.unasked),
        ("late", stats.late),
        ("heartbeats", stats.heartbeats),
        ("other_channels", stats.other_channels),
        ("refused", stats.refused),
        ("requests", stats.requests),
        ("resyncs", stats.resyncs),
        ("reconnects", stats.reconnects),
        ("missed_events", stats.missed_events),
    ]
}
