//! Damage to the text of a frame that a client can always detect.

use fastrand::Rng;

/// The byte written over others: it is invalid in JSON outside strings, in numbers and in sides.
const GARBLE: u8 = b'#';
const MAX_GARBLED_BYTES: u64 = 3;

/// What stands before the strings whose content a client has to understand.
const CHECKED_KEYS: [&str; 3] = ["\"side\":", "\"price_level\":", "\"new_quantity\":"];

/// Overwrites one to three bytes where it shows. Returns the text and whether there was such a
/// byte.
pub(super) fn garble(rng: &mut Rng, text: String) -> (String, bool) {
    let weak = weak_bytes(&text);
    if weak.is_empty() {
        return (text, false);
    }
    let mut bytes = text.into_bytes();
    let mut quotes = 0;
    for _ in 0..rng.u64(1..=MAX_GARBLED_BYTES) {
        let at = weak[rng.u64(0..weak.len() as u64) as usize];
        // Two quotes less can join two strings into a longer one that reads well; one cannot.
        if bytes[at] == b'"' {
            quotes += 1;
            if quotes > 1 {
                continue;
            }
        }
        bytes[at] = GARBLE;
    }
    let garbled = String::from_utf8(bytes).expect("one ASCII byte took the place of another");
    (garbled, true)
}

/// Cuts the text somewhere before its last byte. JSON is never whole before its last brace.
pub(super) fn truncate(rng: &mut Rng, mut text: String) -> String {
    text.truncate(draw_cut(rng, &text));
    text
}

/// Draws a position before the last byte.
pub(super) fn draw_cut(rng: &mut Rng, text: &str) -> usize {
    let mut end = rng.u64(0..text.len().max(1) as u64) as usize;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// Returns the positions of all bytes whose loss breaks the syntax: everything of the JSON outside
/// its strings, the quotes of the strings, and the content of prices, sizes and sides.
fn weak_bytes(text: &str) -> Vec<usize> {
    let mut weak = Vec::new();
    let (mut in_string, mut checked) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'"' {
            in_string = !in_string;
            checked = in_string && CHECKED_KEYS.iter().any(|key| text[..at].ends_with(key));
            weak.push(at);
        } else if byte.is_ascii() && (checked || !in_string) {
            weak.push(at);
        }
    }
    weak
}
