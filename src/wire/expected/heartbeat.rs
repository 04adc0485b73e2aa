//! Tier 1 of the parser for heartbeats, which come each second on every connection.
//!
//! As for order books, what is not exactly of the shape that the venue sends is left to the
//! general tier.

use super::text::{take_envelope, take_sequence, take_text};
use crate::wire::time::WireTime;

/// The time of the venue's clock is written at length, and looked for in this many vectors.
const TIME_VECTORS: usize = 4;

/// A heartbeat of the expected shape.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct ExpectedHeartbeat<'a> {
    pub(in crate::wire) timestamp: WireTime<'a>,
    pub(in crate::wire) sequence: u64,
    pub(in crate::wire) counter: u64,
}

impl<'a> ExpectedHeartbeat<'a> {
    pub(in crate::wire) fn read(text: &'a [u8]) -> Option<Self> {
        let (envelope, rest) = take_envelope(text.strip_prefix(br#"{"channel":"heartbeats","#)?)?;
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
        let timestamp = WireTime::new(envelope.timestamp);
        (rest == b"}]}").then_some(Self { timestamp, sequence: envelope.sequence, counter })
    }
}
