//! The texts of a frame around its levels: the envelope, strings and whole numbers.

use wide::u8x16;

use super::numbers::{LANES, vector_at};

/// Product names and times fit in this many vectors.
pub(super) const NAME_VECTORS: usize = 2;

/// What stands between the channel of a frame and its first event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    /// Plain ASCII.
    pub(super) timestamp: &'a [u8],
    pub(super) sequence: u64,
}

/// Reads what stands between the channel of a frame and its first event.
#[inline]
pub(super) fn take_envelope(text: &[u8]) -> Option<(Envelope<'_>, &[u8])> {
    let rest = text.strip_prefix(br#""client_id":"","#).unwrap_or(text);
    let rest = rest.strip_prefix(br#""timestamp":""#)?;
    let (timestamp, rest) = take_text::<NAME_VECTORS>(rest)?;
    let (sequence, rest) = take_sequence(rest.strip_prefix(br#","sequence_num":"#)?)?;
    Some((Envelope { timestamp, sequence }, rest.strip_prefix(br#","events":["#)?))
}

/// Reads the rest of a string and its closing quote, if the string is shorter than `VECTORS`
/// vectors and those hold nothing but plain ASCII.
#[inline]
pub(super) fn take_text<const VECTORS: usize>(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut quotes, mut least, mut all) = (0u64, u8x16::splat(!0), u8x16::ZERO);
    let mut has_escape = false;
    for (index, lanes) in text.get(..VECTORS * LANES)?.chunks_exact(LANES).enumerate() {
        let lanes = vector_at::<LANES>(lanes.first_chunk()?, 0);
        quotes |= u64::from(lanes.simd_eq(u8x16::splat(b'"')).to_bitmask()) << (index * LANES);
        has_escape |= lanes.simd_eq(u8x16::splat(b'\\')).any();
        (least, all) = (least.min(lanes), all | lanes);
    }
    let is_printable = least.max(u8x16::splat(b' ')).simd_eq(least).all();
    let is_ascii = !all.any();
    let len = quotes.trailing_zeros() as usize;
    if !is_printable | !is_ascii | has_escape | (quotes == 0) {
        return None;
    }
    debug_assert!(text[..len].is_ascii(), "texts are handed on as plain ASCII");
    Some((&text[..len], &text[len + 1..]))
}

/// Reads a whole number of at most 19 digits, as JSON writes it.
pub(super) fn take_sequence(text: &[u8]) -> Option<(u64, &[u8])> {
    const MAX_DIGITS: usize = 19;

    let (mut number, mut rest) = (0, text);
    while let [digit @ b'0'..=b'9', tail @ ..] = rest {
        number = u64::wrapping_mul(number, 10).wrapping_add(u64::from(digit - b'0'));
        rest = tail;
    }
    let len = text.len() - rest.len();
    let is_sound = (1..=MAX_DIGITS).contains(&len) && (len == 1 || text[0] != b'0');
    is_sound.then_some((number, rest))
}
