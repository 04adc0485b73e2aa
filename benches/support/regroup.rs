//! The levels of a recording in frames of another length: as many different ones as there are.

use super::frame_text::{FrameText, LevelText};
use super::venue_form;

/// Returns frames of exactly `len` levels each, made of the recording's updates in their order,
/// holding `total` levels together.
///
/// A bench that reads one frame over and over teaches the processor's branch predictor its
/// digits, which real traffic never does; many thousand different levels cannot be learnt.
pub(crate) fn frames_of(recording: &[String], len: usize, total: usize) -> Vec<String> {
    let frames = recording
        .iter()
        .map(|text| serde_json::from_str::<FrameText<'_>>(text).expect("the fixture holds frames"));
    let updates: Vec<FrameText<'_>> = frames.filter(is_update).collect();
    let levels = updates.iter().flat_map(|frame| &frame.events).flat_map(|event| &event.updates);
    let levels: Vec<&LevelText<'_>> = levels.take(total).collect();
    assert_eq!(levels.len(), total, "the recording holds too few levels");
    levels.chunks_exact(len).zip(0..).map(|(group, number)| frame_of(group, number)).collect()
}

fn is_update(frame: &FrameText<'_>) -> bool {
    frame.is_level2() && !frame.events.iter().any(|event| event.is_snapshot())
}

/// Writes a frame as the venue does: bids before offers, and one time for all levels.
fn frame_of(group: &[&LevelText<'_>], number: u64) -> String {
    let event_time = group[0].event_time;
    let mut group = group.to_vec();
    group.sort_by_key(|level| !level.is_bid());
    let levels = group.iter().map(|level| (level.is_bid(), level.price_level, level.new_quantity));
    venue_form::frame(number, "update", "BTC-USD", event_time, levels)
}
