//! What the author of a bot writes first: owned structs with decimals in them, ordered maps.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};

use super::rival_book::RivalBook;
use super::stack::{Books, Stack};

#[derive(Deserialize)]
struct Frame {
    channel: String,
    sequence_num: u64,
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    product_id: String,
    #[serde(default)]
    updates: Vec<Level>,
}

#[derive(Deserialize)]
struct Level {
    side: Side,
    /// Kept, as the documentation shows it, and read by nobody.
    #[serde(rename = "event_time")]
    _event_time: String,
    #[serde(deserialize_with = "decimal")]
    price_level: Decimal,
    #[serde(deserialize_with = "decimal")]
    new_quantity: Decimal,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Side {
    Bid,
    Offer,
}

/// Reads a decimal from a string, as `rust_decimal` itself does for serde.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let text = <&str>::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}

pub(crate) struct FirstDraft {
    last_sequence: Option<u64>,
    books: HashMap<String, RivalBook<Decimal>>,
}

impl FirstDraft {
    pub(crate) fn new() -> Self {
        Self { last_sequence: None, books: HashMap::new() }
    }

    fn take_one(&mut self, text: &str) {
        let frame: Frame = serde_json::from_str(text).expect("the stream holds frames");
        if let Some(last) = self.last_sequence.replace(frame.sequence_num) {
            assert_eq!(frame.sequence_num, last + 1, "the stream must have no gap");
        }
        if frame.channel != "l2_data" {
            return;
        }
        for Event { kind, product_id, updates } in frame.events {
            let levels = updates
                .iter()
                .map(|level| (level.side == Side::Bid, level.price_level, level.new_quantity));
            let book = self.books.entry(product_id).or_insert_with(RivalBook::new);
            book.apply(kind == "snapshot", levels);
        }
    }
}

impl Stack for FirstDraft {
    fn take(&mut self, frames: &[String]) {
        for frame in frames {
            self.take_one(frame);
        }
    }

    fn books(&self) -> Option<Books> {
        let books = self.books.iter();
        Some(books.map(|(name, book)| (name.clone(), book.final_book())).collect())
    }
}
