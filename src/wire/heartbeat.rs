//! Tier 1 of the parser for heartbeats, which come each second on every connection.
//!
//! As for order books ([`expected`](super::expected)), what is not exactly of the shape that the
//! venue sends is left to the general tier.

use super::expected::{take_envelope, take_sequence, take_text};

/// The time of the venue's clock, which is written at length, is looked for in this many vectors.
const TIME_VECTORS: usize = 4;

/// A heartbeat of the expected shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedHeartbeat {
    pub(super) sequence: u64,
    pub(super) counter: u64,
}

impl ExpectedHeartbeat {
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let (sequence, rest) = take_envelope(text.strip_prefix(br#"{"channel":"heartbeats","#)?)?;
        let (_, rest) = take_text::<TIME_VECTORS>(rest.strip_prefix(br#"{"current_time":""#)?)?;
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
