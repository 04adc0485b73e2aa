//! Tier 1 of the parser for heartbeats, which come each second on every connection.
//!
//! As for order books ([`expected`](super::expected)), what is not exactly of the shape that the
//! venue sends is left to the general tier.

use super::expected::{take_envelope, take_sequence};

/// A heartbeat of the expected shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedHeartbeat {
    pub(super) sequence: u64,
    pub(super) counter: u64,
}

impl ExpectedHeartbeat {
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let (sequence, rest) = take_envelope(text.strip_prefix(br#"{"channel":"heartbeats","#)?)?;
        let rest = skip_text(rest.strip_prefix(br#"{"current_time":""#)?)?;
        let rest = rest.strip_prefix(br#","heartbeat_counter":"#)?;
        // A number in most captures, and a string in some.
        let (counter, rest) = match rest.strip_prefix(b"\"") {
            Some(rest) => {
                let (counter, rest) = take_sequence(rest)?;
                (counter, rest.strip_prefix(b"\"")?)
            }
            None => take_sequence(rest)?,
        };
        (rest == b"}]}").then_some(Self { sequence, counter })
    }
}

/// Returns what follows the rest of a string and its closing quote, if the string is plain.
fn skip_text(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().position(|byte| *byte == b'"')?;
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'\\';
    text[..len].iter().all(is_plain).then_some(&text[len + 1..])
}
