//! Frames written as the venue writes them: one event, one time for all levels, no whitespace.

use std::fmt::{Display, Write as _};

/// The text before the number of a frame.
pub(crate) const NUMBER_KEY: &str = "\"sequence_num\":";

/// A level to be written: whether it is a bid, its price and its size.
pub(crate) type WrittenLevel<P, S> = (bool, P, S);

/// Returns the text of a frame.
pub(crate) fn frame<P: Display, S: Display>(
    number: u64,
    kind: &str,
    product: &str,
    event_time: &str,
    levels: impl Iterator<Item = WrittenLevel<P, S>>,
) -> String {
    let mut text = format!(
        "{{\"channel\":\"l2_data\",\"timestamp\":\"2026-11-02T00:00:00.050779698Z\",{NUMBER_KEY}\
         {number},\"events\":[{{\"type\":\"{kind}\",\"product_id\":\"{product}\",\"updates\":["
    );
    for (index, (is_bid, price, size)) in levels.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let side = if is_bid { "bid" } else { "offer" };
        write!(
            text,
            "{comma}{{\"side\":\"{side}\",\"event_time\":\"{event_time}\",\
             \"price_level\":\"{price}\",\"new_quantity\":\"{size}\"}}"
        )
        .expect("a string takes all text");
    }
    text.push_str("]}]}");
    text
}

/// Returns the frame under another number.
pub(crate) fn renumbered(text: &str, number: u64) -> String {
    let start = text.find(NUMBER_KEY).expect("every frame is numbered") + NUMBER_KEY.len();
    let len = text[start..].find(',').expect("the events follow the number");
    format!("{}{number}{}", &text[..start], &text[start + len..])
}
