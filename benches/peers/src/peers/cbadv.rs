//! `cbadv`: a client of this venue, which reads a frame into structs with floats and keeps no
//! book.
//!
//! Version 2.0.2 wants every frame to have a `client_id`, which the venue no longer sends: it
//! refuses such a frame as a whole. What is timed are frames that have got an empty one.

use std::hint::black_box;
use std::ops::Range;

use cbadv::models::websocket::{EventType, Events, Level2Side, Message};
use level2::book::Side;

use crate::contest::{Contestant, Verdict};
use crate::feed::{Event, Feed, Product};

struct DecodeOnly {
    frames: Vec<String>,
}

pub(super) fn decode_only(feed: &Feed) -> Box<dyn Contestant + '_> {
    let texts = feed.stream.frames().iter();
    Box::new(DecodeOnly { frames: texts.map(|text| with_client_id(text)).collect() })
}

/// Puts the key where the venue had it, after the channel.
fn with_client_id(text: &str) -> String {
    if text.contains("\"client_id\":") {
        return text.to_owned();
    }
    text.replacen(',', ",\"client_id\":\"\",", 1)
}

fn read(text: &str) -> serde_json::Result<Message> {
    serde_json::from_str(text)
}

impl Contestant for DecodeOnly {
    fn restart(&mut self) {}

    fn take(&mut self, frames: Range<usize>) {
        for text in &self.frames[frames] {
            // Some frames of other channels are refused even so; they hold no levels.
            let _ = black_box(read(text));
        }
    }

    fn judge(&mut self, feed: &Feed) -> Verdict {
        let (mut frames, mut wrong_frames, mut refused) = (0, 0, 0);
        for (index, event) in feed.events.iter().enumerate() {
            let Some(event) = event else { continue };
            frames += 1;
            refused += usize::from(read(&feed.stream.frames()[index]).is_err());
            let message = read(&self.frames[index]);
            let product = &feed.products[event.product];
            wrong_frames +=
                usize::from(!message.is_ok_and(|message| is_right(&message, event, product)));
        }
        let note = (refused > 0).then(|| format!("{refused} frames refused as sent"));
        Verdict { frames, wrong_frames, wrong_levels: None, out_of_range: 0, note }
    }
}

/// Returns whether a frame was read as these levels, as near as floats come.
fn is_right(message: &Message, event: &Event, product: &Product) -> bool {
    let Events::Level2(events) = &message.events else { return false };
    let [read] = events.as_slice() else { return false };
    let levels = read.updates.iter().map(|update| {
        let side = if update.side == Level2Side::Bid { Side::Bid } else { Side::Ask };
        (side, product.held_near(update.price_level, update.new_quantity))
    });
    let right = event.changes.iter().map(|change| (change.side, change.held));
    (read.r#type == EventType::Snapshot) == event.is_snapshot
        && read.product_id == product.name
        && levels.eq(right)
}
