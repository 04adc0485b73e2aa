//! Order-book frames around the edges of the shape that the parser's first tier takes.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::picks::Picks;

/// A frame, made of choices.
pub(crate) struct FrameText {
    pub(crate) bytes: Vec<u8>,
    /// Whether something was done to the frame that may have made it no frame at all.
    pub(crate) is_damaged: bool,
}

/// How many levels frames have.
const LEVEL_COUNTS: [usize; 8] = [1, 2, 3, 0, 4, 6, 9, 24];

/// Makes a frame whose fields are chosen one by one, and perhaps damages it.
pub(crate) fn frame_text(picks: &mut Picks<'_>) -> FrameText {
    let mut text = String::with_capacity(1_024);
    text.push_str(r#"{"channel":"l2_data","#);
    if picks.one_in(4) {
        let client_id = if picks.one_in(4) { "a1" } else { "" };
        push(&mut text, format_args!("\"client_id\":\"{client_id}\","));
    }
    let sequence = picks.u64() >> picks.below(64);
    let kind = if picks.one_in(3) { "snapshot" } else { "update" };
    text.push_str("\"timestamp\":\"");
    text.push_str(&time_text(picks));
    push(&mut text, format_args!("\",\"sequence_num\":{sequence},\"events\":[{{\"type\":\""));
    text.push_str(kind);
    text.push_str("\",\"product_id\":\"");
    push_product_name(picks, &mut text);
    text.push_str("\",\"updates\":[");
    push_levels(picks, &mut text);
    text.push_str("]}]}");
    let mut bytes = text.into_bytes();
    let damages = [0, 0, 0, 1, 1, 2][picks.below(6)];
    for _ in 0..damages {
        damage(picks, &mut bytes);
    }
    FrameText { bytes, is_damaged: damages > 0 }
}

fn push(text: &mut String, arguments: fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes all text");
}

fn push_levels(picks: &mut Picks<'_>, text: &mut String) {
    let (mut is_bid, mut time) = (true, time_text(picks));
    let is_usual = !picks.one_in(3);
    for index in 0..picks.of(&LEVEL_COUNTS) {
        let flips = picks.byte();
        is_bid ^= flips & 3 == 3;
        if flips >> 2 == 63 {
            time = time_text(picks);
        }
        text.push_str(if index > 0 { ",{\"side\":\"" } else { "{\"side\":\"" });
        text.push_str(if is_bid { "bid" } else { "offer" });
        text.push_str("\",\"event_time\":\"");
        text.push_str(&time);
        text.push_str("\",\"price_level\":\"");
        push_number(picks, is_usual, text);
        text.push_str("\",\"new_quantity\":\"");
        push_number(picks, is_usual, text);
        text.push_str("\"}");
    }
}

/// A time of 20 to 35 characters, or now and then one of any length.
fn time_text(picks: &mut Picks<'_>) -> Cow<'static, str> {
    const TIME: &str = "2026-11-02T00:00:00.123456789012345";

    let choice = picks.byte();
    let len = usize::from(choice) % 16 + 20;
    match choice / 16 {
        15 => "x".repeat(picks.below(40)).into(),
        14 => "2026-11-02T00:00:00\\u005a".into(),
        _ if len == 20 => "2026-11-02T00:00:00Z".into(),
        _ => [&TIME[..len - 1], "Z"].concat().into(),
    }
}

/// A name of 1 to 40 characters, now and then with one that is no part of names.
fn push_product_name(picks: &mut Picks<'_>, text: &mut String) {
    const PLAIN: &str = "BTC-USD-PERP-INTX-20DEC30-CDE-ABCDEFGHIJ";

    text.push_str(&PLAIN[..picks.below(40) + 1]);
    if picks.one_in(8) {
        text.push_str(
            picks.of(&["\\u002d", "\u{e9}", " ", "\\\"", "\u{7f}", "\u{1}", "{", "\\\\"]),
        );
    }
}

/// Numbers that are remembered for what they once meant to some parser.
const ODD_NUMBERS: [&str; 24] = [
    "",
    "-",
    ".",
    ".5",
    "5.",
    "-.5",
    "+1",
    "1.2.3",
    "0x1",
    "1e5",
    "5E-3",
    "-0",
    "0.0",
    "00.5",
    "1_000",
    "NaN",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "0.0000000000000000000000000001",
    "0.00000000000000000000000000001",
    "12345678901234567890e-2",
    "\\u0031",
    "1\u{663}",
];

/// A number of 1 to 20 characters, the point at any place of it or at none. A usual one has no
/// more than the 16 that are read at once, and digits on both sides of its point.
fn push_number(picks: &mut Picks<'_>, is_usual: bool, text: &mut String) {
    const LEN: usize = 20;

    let form = picks.byte();
    if form >= 248 && !is_usual {
        return text.push_str(picks.of(&ODD_NUMBERS));
    }
    let (zeros, point) = (picks.below(32), picks.below(32));
    let len = usize::from(form) % if is_usual { 16 } else { LEN } + 1;
    let start = text.len();
    match form / 20 {
        0 => text.push_str(&"00000000000000000000"[..len]),
        1 => text.push_str(&"99999999999999999999"[..len]),
        2 => text.push_str(&"11111111111111111111"[..len]),
        _ => {
            push(text, format_args!("{:020}", picks.u64()));
            text.drain(start..start + LEN - len);
        }
    }
    if zeros < len {
        text.truncate(start + len - zeros);
        text.push_str(&"00000000000000000000"[..zeros]);
    }
    let has_point = if is_usual { point > 0 && point + 1 < len } else { point < len };
    if has_point {
        // It takes the place of a digit, so that the length stays what it is.
        text.replace_range(start + point..=start + point, ".");
    }
}

/// Does one thing to a frame that no venue does.
fn damage(picks: &mut Picks<'_>, bytes: &mut Vec<u8>) {
    const BYTES: &[u8; 16] = b"0.-\",{}[]:e\\ 9\x00\xff";

    if bytes.is_empty() {
        return;
    }
    let what = picks.below(8);
    let at = usize::from(picks.u16()) % bytes.len();
    let byte = if picks.one_in(4) { picks.byte() } else { picks.of(BYTES) };
    match what {
        0..=2 => bytes[at] = byte,
        3 => bytes.insert(at, byte),
        4 => drop(bytes.remove(at)),
        // Most of what is to be found by cutting is at the end.
        5 => bytes.truncate(bytes.len() - at % 128.min(bytes.len())),
        6 => {
            let end = bytes.len().min(at + picks.below(160));
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => bytes.push(byte),
    }
}
