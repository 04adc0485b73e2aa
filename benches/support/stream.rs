//! A stream to race on: its snapshots, frames that warm its books, and the updates that count.

use std::collections::BTreeSet;

use super::frame_text::FrameText;
use super::undo::undoing;
use super::venue_form::renumbered;

/// The frames of one connection.
pub(crate) struct Stream {
    pub(crate) name: String,
    frames: Vec<String>,
    /// How many frames come before every product has its snapshot.
    prelude_len: usize,
    /// How many frames after those warm the books.
    warm_up_len: usize,
    /// How many levels the prelude holds, and how many the updates.
    pub(crate) snapshot_levels: u64,
    pub(crate) update_levels: u64,
}

impl Stream {
    /// Makes a stream of a recording.
    ///
    /// Before its updates count, the books go through all of them and back, if that can be: a
    /// book that was just made touches memory for the first time, and no connection stays that
    /// young.
    pub(crate) fn new(name: impl Into<String>, mut frames: Vec<String>) -> Self {
        let name = name.into();
        let mut wanted = BTreeSet::new();
        for event in frames.iter().flat_map(|text| level2_events(text)) {
            wanted.insert(event.product);
        }
        assert!(!wanted.is_empty(), "{name} holds no order book");
        let mut prelude_len = 0;
        let (mut snapshot_levels, mut update_levels) = (0, 0);
        for (index, text) in frames.iter().enumerate() {
            let is_prelude = !wanted.is_empty();
            for event in level2_events(text) {
                if event.is_snapshot {
                    wanted.remove(&event.product);
                }
                let levels = if is_prelude { &mut snapshot_levels } else { &mut update_levels };
                *levels += event.levels;
            }
            if is_prelude {
                prelude_len = index + 1;
            }
        }
        assert!(wanted.is_empty(), "{name} holds updates but no snapshot of {wanted:?}");
        let warm_up_len = warm_up(&mut frames, prelude_len);
        Self { name, frames, prelude_len, warm_up_len, snapshot_levels, update_levels }
    }

    /// The frames up to the last product's first snapshot.
    pub(crate) fn prelude(&self) -> &[String] {
        &self.frames[..self.prelude_len]
    }

    /// The frames that go through the updates and back.
    pub(crate) fn warm_up(&self) -> &[String] {
        &self.frames[self.prelude_len..][..self.warm_up_len]
    }

    /// The recording's own updates.
    pub(crate) fn updates(&self) -> &[String] {
        &self.frames[self.prelude_len + self.warm_up_len..]
    }

    pub(crate) fn frames(&self) -> &[String] {
        &self.frames
    }
}

/// Puts the updates and what undoes them before the updates, all under one numbering, and returns
/// how many frames that added.
fn warm_up(frames: &mut Vec<String>, prelude_len: usize) -> usize {
    let updates = frames[prelude_len..].to_vec();
    let undoing = undoing(&frames[..prelude_len], &updates);
    if undoing.is_empty() {
        return 0;
    }
    let number = |text: &String| {
        let frame = serde_json::from_str::<FrameText<'_>>(text).expect("the stream holds frames");
        frame.sequence_num
    };
    let last = frames.last().map(number).expect("a stream with updates has a last frame");
    for (text, number) in undoing.iter().chain(&updates).zip(last + 1..) {
        frames.push(renumbered(text, number));
    }
    updates.len() + undoing.len()
}

struct EventSummary {
    product: String,
    is_snapshot: bool,
    levels: u64,
}

fn level2_events(text: &str) -> Vec<EventSummary> {
    let frame = serde_json::from_str::<FrameText<'_>>(text).expect("the recording holds frames");
    let is_level2 = frame.is_level2();
    let events = frame.events.iter().filter(|_| is_level2);
    events
        .map(|event| EventSummary {
            product: event.product().to_owned(),
            is_snapshot: event.is_snapshot(),
            levels: event.updates.len() as u64,
        })
        .collect()
}
