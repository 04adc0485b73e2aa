//! Tier 1 of the parser: one pass over exactly the shape that the venue sends.
//!
//! That shape is an order-book frame with one event, without whitespace, its keys in the venue's
//! order, its levels all of one `event_time`. Anything else is not an error but a surprise: `None`
//! is answered, and the general tier reads the frame anew. So this tier may be as narrow as it
//! likes, as long as everything it accepts means the same to both.
//!
//! # Where the time goes, and where it does not
//!
//! - Within a frame all that stands before a level's price is the same for every level of a side:
//!   some 65 bytes of keys, side and time. It is read once a side, and then compared as a block.
//! - Numbers are read eight digits at a time in the lanes of a `u64`. Lengths vary from level to
//!   level, so a loop over bytes would be mispredicted at the end of almost every number; here
//!   the length only steers shifts.
//! - Levels are kept as integers in memory that is used again, and nothing is applied to a book
//!   before the whole frame was read: a surprise in its last byte has touched nothing.

use std::hint::select_unpredictable;

use super::frame::{LevelUpdate, UpdateKind};
use crate::book::{Fixed, Side};

/// More levels than this leave no memory behind for the next frame. Snapshots are rare.
const MAX_RETAINED_LEVELS: usize = 8_192;

/// The longest name of a product and the longest time that are looked for before giving up.
const MAX_TEXT_LEN: usize = 64;

/// Levels are usually shorter than this many bytes.
const LONG_LEVEL_LEN: usize = 128;

/// Memory that is used again for every frame.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    levels: Vec<ReadLevel>,
}

/// A level as read: 24 bytes, whatever the length of its text.
#[derive(Clone, Copy, Debug)]
struct ReadLevel {
    price_mantissa: i64,
    size_mantissa: i64,
    price_scale: u8,
    size_scale: u8,
    side: Side,
}

/// An order-book frame of the expected shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedFrame<'a> {
    pub(super) sequence: u64,
    pub(super) kind: UpdateKind,
    pub(super) product_id: &'a str,
    event_time: Option<&'a str>,
    levels: &'a [ReadLevel],
}

impl<'a> ExpectedFrame<'a> {
    pub(super) fn level_count(&self) -> usize {
        self.levels.len()
    }

    #[inline]
    pub(super) fn level(&self, index: usize) -> Option<LevelUpdate<'a>> {
        self.levels_from(index).next()
    }

    #[inline]
    pub(super) fn levels_from(&self, index: usize) -> impl Iterator<Item = LevelUpdate<'a>> {
        let event_time = self.event_time;
        self.levels.get(index..).unwrap_or_default().iter().map(move |level| LevelUpdate {
            side: level.side,
            price: Fixed::from_parts(level.price_mantissa, level.price_scale),
            size: Fixed::from_parts(level.size_mantissa, level.size_scale),
            event_time,
        })
    }
}

impl Scratch {
    /// Reads a frame, or answers `None` if it is not exactly of the expected shape.
    pub(super) fn decode<'a>(&'a mut self, text: &'a [u8]) -> Option<ExpectedFrame<'a>> {
        if self.levels.capacity() > MAX_RETAINED_LEVELS {
            self.levels = Vec::new();
        }
        self.levels.clear();
        let rest = text.strip_prefix(br#"{"channel":"l2_data","#)?;
        let rest = match rest.strip_prefix(br#""client_id":""#) {
            Some(rest) => take_text(rest)?.1.strip_prefix(b",")?,
            None => rest,
        };
        let (_, rest) = take_text(rest.strip_prefix(br#""timestamp":""#)?)?;
        let (sequence, rest) = take_sequence(rest.strip_prefix(br#","sequence_num":"#)?)?;
        let rest = rest.strip_prefix(br#","events":[{"type":""#)?;
        let (kind, rest) = match rest.strip_prefix(b"update") {
            Some(rest) => (UpdateKind::Update, rest),
            None => (UpdateKind::Snapshot, rest.strip_prefix(b"snapshot")?),
        };
        let (product_id, rest) = take_text(rest.strip_prefix(br#"","product_id":""#)?)?;
        let rest = rest.strip_prefix(br#","updates":["#)?;
        let (event_time, rest) = match rest.strip_prefix(b"]") {
            Some(rest) => (None, rest),
            None => self.take_levels(rest)?,
        };
        if rest != b"}]}" {
            return None;
        }
        let product_id = str::from_utf8(product_id).ok()?;
        let event_time = event_time.and_then(|time| str::from_utf8(time).ok());
        Some(ExpectedFrame { sequence, kind, product_id, event_time, levels: &self.levels })
    }

    /// Reads levels up to the bracket that ends them; returns their time, and what follows.
    fn take_levels<'a>(&mut self, text: &'a [u8]) -> Option<(Option<&'a [u8]>, &'a [u8])> {
        let (mut side, mut intro, event_time) = take_intro(text, b"")?;
        // Less than there are, so that a snapshot makes room once and an update never too much.
        self.levels.reserve(text.len() / LONG_LEVEL_LEN);
        let mut rest = text;
        loop {
            if !begins_with(rest, intro) {
                let time;
                (side, intro, time) = take_intro(rest, event_time)?;
                if time != event_time {
                    return None;
                }
            }
            rest = self.take_numbers(&rest[intro.len()..], side)?;
            match rest {
                [b',', tail @ ..] => rest = tail,
                [b']', tail @ ..] => return Some((Some(event_time), tail)),
                _ => return None,
            }
        }
    }

    /// Reads the price and the size of a level, and returns what follows it.
    #[inline(always)]
    fn take_numbers<'a>(&mut self, text: &'a [u8], side: Side) -> Option<&'a [u8]> {
        // The last level of a frame is followed by less than a block; zeros, which are neither
        // digits nor quotes, stand in for what is missing.
        let padded;
        let block = match text.first_chunk() {
            Some(block) => block,
            None => {
                padded = padded_block(text);
                &padded
            }
        };
        let price = usual_number(block, 0);
        let size_at = price.len + BETWEEN.len();
        let size = usual_number(block, size_at);
        let end = size_at + size.len;
        let is_odd = price.is_odd
            | size.is_odd
            | (block[price.len..size_at] != *BETWEEN)
            | (block[end..end + 2] != *b"\"}");
        if is_odd {
            return self.take_other_numbers(text, side);
        }
        self.push(
            side,
            Fixed::from_parts(price.mantissa, price.scale),
            Fixed::from_parts(size.mantissa, size.scale),
        );
        text.get(end + 2..)
    }

    /// Does the same for numbers of any other length and form.
    #[cold]
    #[inline(never)]
    fn take_other_numbers<'a>(&mut self, text: &'a [u8], side: Side) -> Option<&'a [u8]> {
        let (price, rest) = take_text(text)?;
        // The quote that ends the price was taken already.
        let (size, rest) = take_text(rest.strip_prefix(&BETWEEN[1..])?)?;
        // A sign on a size is malformed even before a zero, which the number would not show. An
        // exponent is sound, but so surprising that it is for the general tier.
        let has_exponent = price.iter().chain(size).any(|byte| byte.eq_ignore_ascii_case(&b'e'));
        if size.first() == Some(&b'-') || has_exponent {
            return None;
        }
        self.push(side, Fixed::parse(price).ok()?, Fixed::parse(size).ok()?);
        rest.strip_prefix(b"}")
    }

    #[inline(always)]
    fn push(&mut self, side: Side, price: Fixed, size: Fixed) {
        self.levels.push(ReadLevel {
            price_mantissa: price.mantissa(),
            size_mantissa: size.mantissa(),
            price_scale: price.scale(),
            size_scale: size.scale(),
            side,
        });
    }
}

/// What stands between the price of a level and its size.
const BETWEEN: &[u8; 18] = br#"","new_quantity":""#;

/// Longer than two usual numbers, all that stands around them, and a block of digits beyond.
const BLOCK_LEN: usize = 64;

/// Returns a text that is shorter than a block, and zeros.
#[inline(never)]
fn padded_block(text: &[u8]) -> [u8; BLOCK_LEN] {
    let mut block = [0; BLOCK_LEN];
    block[..text.len()].copy_from_slice(text);
    block
}

/// Returns whether a text begins as the level before it did.
#[inline(always)]
fn begins_with(text: &[u8], intro: &[u8]) -> bool {
    // As long as real ones are, the comparison is of two blocks that may overlap, in vector
    // registers, instead of a call.
    if let (64..=96, Some(head), Some(begin)) =
        (intro.len(), intro.first_chunk::<64>(), text.first_chunk::<64>())
        && let (Some(tail), Some(end)) =
            (intro.last_chunk::<32>(), text[..intro.len().min(text.len())].last_chunk::<32>())
    {
        return are_equal(head, begin) & are_equal(tail, end);
    }
    text.starts_with(intro)
}

/// Compares blocks in registers; for `==` the compiler calls a function from some length on.
#[inline(always)]
fn are_equal<const N: usize>(one: &[u8; N], other: &[u8; N]) -> bool {
    let (one, other) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let differences = one.iter().zip(other).fold(0, |differences, (one, other)| {
        differences | (u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other))
    });
    differences == 0
}

/// Reads all of a level that stands before its price; returns its side, all of that, and its time,
/// which is probably the one that is handed in.
#[inline(never)]
fn take_intro<'a>(text: &'a [u8], probable_time: &[u8]) -> Option<(Side, &'a [u8], &'a [u8])> {
    let rest = text.strip_prefix(br#"{"side":""#)?;
    let (side, rest) = match rest.strip_prefix(b"bid") {
        Some(rest) => (Side::Bid, rest),
        None => (Side::Ask, rest.strip_prefix(b"offer")?),
    };
    let rest = rest.strip_prefix(br#"","event_time":""#)?;
    let (event_time, rest) = match rest.strip_prefix(probable_time) {
        Some([b'"', tail @ ..]) => (&rest[..probable_time.len()], tail),
        _ => take_text(rest)?,
    };
    let rest = rest.strip_prefix(br#","price_level":""#)?;
    Some((side, &text[..text.len() - rest.len()], event_time))
}

/// Reads the rest of a string, and its closing quote, if it is short and plain ASCII.
fn take_text(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0;
    while len <= MAX_TEXT_LEN {
        let rest = text.get(len..)?;
        // At the end of the frame, zeros stand in for what is missing, and end the text.
        let block = rest
            .first_chunk()
            .copied()
            .unwrap_or_else(|| std::array::from_fn(|i| rest.get(i).copied().unwrap_or_default()));
        let others = not_plain(u64::from_le_bytes(block));
        len += (others.trailing_zeros() / 8) as usize;
        if others != 0 {
            let rest = text[len..].strip_prefix(b"\"")?;
            return Some((&text[..len], rest));
        }
    }
    None
}

/// Marks the lanes of all bytes that are a quote, a backslash, a control character or not ASCII.
/// The lowest mark is always right; one above it may be a carry.
#[inline(always)]
const fn not_plain(lanes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x80 * ONES;
    let quotes = lanes ^ (b'"' as u64 * ONES);
    let backslashes = lanes ^ (b'\\' as u64 * ONES);
    let controls = lanes.wrapping_sub(0x20 * ONES);
    (quotes.wrapping_sub(ONES) & !quotes
        | backslashes.wrapping_sub(ONES) & !backslashes
        | controls & !lanes
        | lanes)
        & TOPS
}

/// Reads a whole number of at most 19 digits, as JSON writes it.
fn take_sequence(text: &[u8]) -> Option<(u64, &[u8])> {
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

/// `0` in every lane.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Powers of ten for the fractions that are read in one go.
const POW10: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A number in its shortest form, and the length of its text.
#[derive(Clone, Copy)]
struct UsualNumber {
    mantissa: i64,
    scale: u8,
    /// At most 17.
    len: usize,
    /// Whether it is not a usual number at all, and the rest of this means nothing.
    is_odd: bool,
}

/// Reads a number of up to eight digits, and up to eight after a point.
#[inline(always)]
fn usual_number(block: &[u8; BLOCK_LEN], at: usize) -> UsualNumber {
    let (whole, whole_len) = leading_digits(block, at);
    let point_at = at + whole_len;
    let (fraction, fraction_len) = leading_digits(block, point_at + 1);
    // Half of all sizes are a bare zero, and a third of all prices have no point. No predictor
    // learns which, so the digits behind the point are read in any case, and dropped.
    let has_point = block[point_at] == b'.';
    let scale = select_unpredictable(has_point, fraction_len, 0);
    let fraction = select_unpredictable(has_point, fraction, 0);
    let len = whole_len + scale + usize::from(has_point);
    let end = at + len;
    // Taken by nothing that the venue was seen to send: no digit on either side of the point, a
    // zero at the end of the fraction, more than eight digits, a sign.
    let is_odd = (whole_len == 0)
        | (block[end] != b'"')
        | (has_point & ((scale == 0) | (block[point_at + scale] == b'0')));
    // Sixteen digits fit an `i64`, and eight decimals a `u8`. An odd number may be anything.
    let mantissa = whole.wrapping_mul(POW10[scale]).wrapping_add(fraction).cast_signed();
    UsualNumber { mantissa, scale: scale as u8, len, is_odd }
}

/// Reads the digits that stand at a place, at most eight, and counts them. Of no digits, the
/// number means nothing.
#[inline(always)]
fn leading_digits(block: &[u8; BLOCK_LEN], at: usize) -> (u64, usize) {
    let mut text = [0; 8];
    text.copy_from_slice(&block[at..at + 8]);
    // Digits become 0 to 9; everything else is larger, and gets the top bit of its lane set. A
    // carry out of a lane can only come from one that is no digit, so the first is always right.
    let lanes = u64::from_le_bytes(text) ^ ZEROS;
    let others = (lanes.wrapping_add(0x7676_7676_7676_7676) | lanes) & 0x8080_8080_8080_8080;
    let len = (others.trailing_zeros() / 8) as usize;
    // Moves the digits to the end, and zeros in before them.
    (fold_digits(lanes.wrapping_shl(64 - 8 * len as u32)), len)
}

/// Returns the number of eight digits, one in each lane, the first in the lowest.
#[inline(always)]
const fn fold_digits(lanes: u64) -> u64 {
    // Neighbours become pairs, then both halves are weighed and added in one multiplication each.
    let pairs = lanes.wrapping_mul(10).wrapping_add(lanes >> 8);
    let even = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let odd = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    even.wrapping_add(odd) >> 32
}
