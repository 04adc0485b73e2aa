//! The counters of the books and of the exchange, and the checks that they agree.

use level2::books::BooksStats;
use level2::session::Stats;
use level2_sim::{ExchangeCounts, FaultCounts};

/// After a reset of the exchange's counter, the most frames that may count as duplicates before the
/// reset is certain.
const DUPLICATES_PER_RESET: u64 = 8;

/// All counters at one moment. Of two that are compared, the one that must not be larger is read
/// first: what is received in between is then not mistaken for too much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    pub(super) books: BooksStats,
    pub(super) faults: FaultCounts,
    pub(super) exchange: ExchangeCounts,
    /// Connections that the exchange accepted.
    pub(super) accepted: u64,
}

impl Counters {
    /// Checks these counters, and that none is lower than `before`.
    pub(super) fn check(&self, before: &Self) -> Result<(), String> {
        let (books, books_before) = (named(&self.books.session), named(&before.books.session));
        for ((name, now), (_, then)) in books.into_iter().zip(books_before) {
            if now < then {
                return Err(format!("the counter {name} fell from {then} to {now}"));
            }
        }
        self.check_impossible()?;
        self.check_conservation()
    }

    /// Returns how many frames the exchange sent.
    pub(super) fn frames_sent(&self) -> u64 {
        let faults = &self.faults;
        let withheld = faults.drops + faults.aborts + faults.stalls;
        (faults.frames + faults.duplicates).saturating_sub(withheld)
    }

    /// Checks that nothing was counted that the exchange never does.
    fn check_impossible(&self) -> Result<(), String> {
        let Stats { crossed, unasked, missed_events, refused, .. } = self.books.session;
        for (name, count) in [
            ("crossed books", crossed),
            ("events of products without a subscription", unasked),
            ("missed events", missed_events),
            ("refusals", refused),
            ("requests rejected by the exchange", self.exchange.errors),
            ("connections that were too slow", self.exchange.overflows),
        ] {
            if count > 0 {
                return Err(format!("expected no {name}, got {count}"));
            }
        }
        Ok(())
    }

    /// Checks that nothing was received that was not sent, and no fault found that was not made.
    fn check_conservation(&self) -> Result<(), String> {
        let Self { books, faults, exchange, accepted } = self;
        let stats = &books.session;
        let broken = faults.garbles + faults.truncates;
        // A late frame is a gap when it is due, and a duplicate when it comes.
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
            return Err(format!(
                "{} frames were received, and {sum} are accounted for",
                stats.frames
            ));
        }
        let dials = stats.reconnects + books.connections as u64;
        for (what, count, limit) in [
            ("frames received", stats.frames + stats.late, self.frames_sent()),
            ("undecodable frames", stats.undecodable, broken),
            ("frames of another shape", stats.general_frames, broken),
            // A second frame 0 is a reset, also if it is a duplicate or late.
            ("resets", stats.resets, faults.resets + faults.duplicates + late),
            ("gaps", stats.gaps, faults.drops + late + broken + faults.resets),
            (
                "duplicates",
                stats.duplicates,
                faults.duplicates + late + DUPLICATES_PER_RESET * faults.resets,
            ),
            ("requests received by the exchange", exchange.requests, stats.requests),
            ("connections accepted by the exchange", *accepted, dials),
        ] {
            if count > limit {
                return Err(format!("expected at most {limit} {what}, got {count}"));
            }
        }
        Ok(())
    }
}

/// Returns every counter of a session with its name.
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
