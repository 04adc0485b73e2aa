//! Frames that take back what others did, so that a stream can be run over a book twice.

use std::collections::HashMap;

use rust_decimal::Decimal;

use super::frame_text::{EventText, FrameText, LevelText};
use super::venue_form;

/// A place in one of the books: product, whether it is a bid, price.
type Place<'a> = (&'a str, bool, Decimal);

/// Returns one frame for each frame of levels in `updates`, in reverse order, that restores what
/// was there before it; `prelude` holds the snapshots. All are numbered 0.
///
/// There are none when a snapshot stands among the updates or a frame holds several events:
/// neither can be taken back by one frame.
pub(crate) fn undoing(prelude: &[String], updates: &[String]) -> Vec<String> {
    let mut sizes: HashMap<Place<'_>, &str> = HashMap::new();
    for text in prelude {
        for event in read(text).events {
            for level in &event.updates {
                sizes.insert(place(&event, level), level.new_quantity);
            }
        }
    }
    let mut frames = Vec::new();
    for frame in updates.iter().map(|text| read(text)).filter(FrameText::is_level2) {
        let [event] = frame.events.as_slice() else { return Vec::new() };
        if event.is_snapshot() {
            return Vec::new();
        }
        let Some(first) = event.updates.first() else { continue };
        let before = event.updates.iter().map(|level| {
            let size = sizes.insert(place(event, level), level.new_quantity).unwrap_or("0");
            (level.is_bid(), level.price_level, size)
        });
        frames.push(venue_form::frame(0, "update", event.product(), first.event_time, before));
    }
    frames.reverse();
    frames
}

fn read(text: &str) -> FrameText<'_> {
    let mut frame = serde_json::from_str::<FrameText<'_>>(text).expect("the stream holds frames");
    if !frame.is_level2() {
        frame.events.clear();
    }
    frame
}

fn place<'a>(event: &EventText<'a>, level: &LevelText<'a>) -> Place<'a> {
    let product = event.product_id.expect("an event of order books names its product");
    let price = Decimal::from_str_exact(level.price_level).expect("a price is a decimal");
    (product, level.is_bid(), price)
}
