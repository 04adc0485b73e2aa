//! Frames of twelve changes without end: a cycle of changes in the venue's form, its numbers
//! written anew on every pass.

use level2::book::Side;

use super::changes::{BookChange, Cycle};
use super::venue_form::{self, NUMBER_KEY};

/// The mean number of changes in a frame, as measured on the venue.
pub(crate) const CHANGES: usize = 12;

/// The first number. From here on all have the same length, so that one replaces another.
const FIRST_NUMBER: u64 = 1_000_000_000;

pub(crate) struct EndlessFrames {
    /// The snapshot that goes before the first of them.
    pub(crate) snapshot: Vec<u8>,
    frames: Vec<Vec<u8>>,
    next_number: u64,
}

impl EndlessFrames {
    /// Writes the changes of a cycle, whose half is a whole number of frames.
    pub(crate) fn of(cycle: &Cycle) -> Self {
        assert_eq!(cycle.changes.len() % (2 * CHANGES), 0);
        let levels = cycle.start.numbers().into_iter().map(|(side, price, size)| BookChange {
            side,
            price,
            size,
            key: 0,
            units: 0,
        });
        let snapshot = frame("snapshot", &levels.collect::<Vec<_>>());
        let groups = cycle.changes.chunks_exact(CHANGES);
        let frames = groups.map(|group| {
            let mut changes = group.to_vec();
            // As the venue does: bids first, each side from its best to its worst. The sort is
            // stable, so of two changes at a price the later stays the later.
            changes.sort_by_key(|change| (change.side, change.key));
            frame("update", &changes)
        });
        Self { frames: frames.collect(), snapshot, next_number: FIRST_NUMBER + 1 }
    }

    /// Returns how many frames go once round.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Numbers the next frame and returns it.
    pub(crate) fn next(&mut self) -> &[u8] {
        let index = (self.next_number - FIRST_NUMBER - 1) as usize % self.frames.len();
        let frame = &mut self.frames[index];
        let digits = self.next_number.to_string();
        let start = number_start(frame);
        frame[start..start + digits.len()].copy_from_slice(digits.as_bytes());
        self.next_number += 1;
        frame
    }
}

fn frame(kind: &str, changes: &[BookChange]) -> Vec<u8> {
    let levels = changes.iter().map(|change| (change.side == Side::Bid, change.price, change.size));
    let event_time = "2026-11-02T00:00:00.002497Z";
    venue_form::frame(FIRST_NUMBER, kind, "BTC-USD", event_time, levels).into_bytes()
}

/// Every frame has the same envelope, so the number stands where it does in the first bytes.
fn number_start(frame: &[u8]) -> usize {
    let key = NUMBER_KEY.as_bytes();
    let at = frame.windows(key.len()).position(|bytes| bytes == key);
    at.expect("every frame is numbered") + key.len()
}
