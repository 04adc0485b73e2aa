//! Frames under new numbers and new names: many products on one connection, made of three.

use super::frame_text::FrameText;
use super::venue_form::renumbered;

/// Derives `count` products from a recording of a few, under one contiguous numbering.
///
/// Product `k` repeats the frames of the recording's product `k`, counted round. The snapshots
/// come first, then one update of each product in turn, as the venue sends one to each in 50 ms.
/// The other frames of the recording stand between the turns. `max_turns` bounds the turns.
pub(crate) fn derive(recording: &[String], count: usize, max_turns: usize) -> Vec<String> {
    let (products, mut controls) = split(recording);
    let turns = products.iter().map(|product| product.len()).min().unwrap_or_default();
    let turns = turns.min(max_turns.saturating_add(1));
    let turns_per_control = turns.div_ceil(controls.len()).max(1);
    controls.reverse();

    let mut frames = Vec::new();
    for turn in 0..turns {
        for (index, product) in products.iter().cycle().take(count).enumerate() {
            let text = renamed(product[turn], index);
            frames.push(renumbered(&text, frames.len() as u64));
        }
        if turn % turns_per_control == 0
            && let Some(control) = controls.pop()
        {
            frames.push(renumbered(&relisted(control, count), frames.len() as u64));
        }
    }
    frames
}

/// Sorts a recording's frames into those of each product and the others.
fn split(recording: &[String]) -> (Vec<Vec<&str>>, Vec<&str>) {
    let mut products: Vec<(String, Vec<&str>)> = Vec::new();
    let mut controls = Vec::new();
    for text in recording {
        let frame = serde_json::from_str::<FrameText<'_>>(text).expect("the fixture holds frames");
        if !frame.is_level2() {
            controls.push(text.as_str());
            continue;
        }
        let [event] = frame.events.as_slice() else { panic!("expected one event in a frame") };
        match products.iter_mut().find(|(name, _)| name == event.product()) {
            Some((_, frames)) => frames.push(text),
            None => products.push((event.product().to_owned(), vec![text])),
        }
    }
    (products.into_iter().map(|(_, frames)| frames).collect(), controls)
}

/// Returns the frame with the name of the derived product.
fn renamed(text: &str, index: usize) -> String {
    const KEY: &str = "\"product_id\":\"";
    let start = text.find(KEY).expect("a frame of levels names its product") + KEY.len();
    let end = start + text[start..].find('"').expect("a name ends in a quote");
    format!("{}{}{}", &text[..start], derived_name(index), &text[end..])
}

/// Returns the frame with the derived products, if it lists what the connection is subscribed to:
/// a book that an answer leaves out is taken back.
fn relisted(text: &str, count: usize) -> String {
    const KEY: &str = "\"level2\":[";
    let Some(at) = text.find(KEY) else { return text.to_owned() };
    let start = at + KEY.len();
    let end = start + text[start..].find(']').expect("a list ends in a bracket");
    let names: Vec<String> =
        (0..count).map(|index| format!("\"{}\"", derived_name(index))).collect();
    format!("{}{}{}", &text[..start], names.join(","), &text[end..])
}

/// Returns a name as long as a real one.
fn derived_name(index: usize) -> String {
    format!("P{index:03}-USD")
}
