//! Tier 1 of the parser: one pass over exactly the shape that the venue sends.
//!
//! That shape is an order-book frame with one event, without whitespace, its keys in the venue's
//! order, its levels all of one `event_time`. Anything else is not an error but a surprise: this
//! tier returns `None`, and the general tier reads the frame anew. So this tier may be as narrow as
//! it likes, as long as everything it accepts means the same to both.
//!
//! # Where the time goes, and where it does not
//!
//! - Text is read sixteen bytes at a time, in vectors: SSE2 on x86-64, where every processor has
//!   it, NEON on aarch64. All of a level is checked in some twenty of them, and one branch.
//! - Within a frame all that stands before a level's price is the same for every level of a side:
//!   some 70 bytes of keys, side and time. It is read once a side, and then compared as a block.
//! - Lengths of numbers vary from level to level, so a loop over bytes would be mispredicted at
//!   the end of almost every one. Here a length only says where a vector is loaded from
//!   ([`numbers`]), and the next level's place waits for nothing else.
//! - Levels are kept as integers in memory that is used again, and nothing is applied to a book
//!   before the whole frame was read: a surprise in its last byte has touched nothing.
//! - All of it is compiled twice for x86-64, once as it is and once for processors with AVX2 and
//!   BMI (most since 2013 to 2017): the same steps take a seventh fewer instructions there. At the
//!   first frame `multiversion` asks which processor this is. The line of unsafe code that calls
//!   the other version is that crate's, so that this one can forbid to write any.

mod heartbeat;
mod numbers;
mod text;

use std::iter::FusedIterator;
use std::ops::Range;
use std::slice;

use multiversion::multiversion;
use wide::u8x16;

pub(super) use self::heartbeat::ExpectedHeartbeat;
use self::numbers::{
    LANES, NumberText, digit_lanes, last_lanes, len_to_quote, mantissas, vector_at,
};
use self::text::{NAME_VECTORS, take_envelope, take_text};
use crate::units::{Fixed, PackedLevel, Side};
use crate::wire::level::{LevelUpdate, UpdateKind};
use crate::wire::product::ProductKey;
use crate::wire::time::WireTime;

/// More levels than this leave no memory behind for the next frame. Snapshots are rare.
const MAX_RETAINED_LEVELS: usize = 8_192;

/// Levels are rarely shorter than this many bytes.
const SHORT_LEVEL_LEN: usize = 100;

/// What stands between the price of a level and its size.
const BETWEEN: &[u8; 18] = br#"","new_quantity":""#;

/// What stands between the time of a level and its price, the quote that ends the time included.
const TIME_TO_PRICE: &[u8; 17] = br#"","price_level":""#;

/// Where the price lies in a block: as far as the longest start of a level reaches.
const PRICE_AT: usize = 5 * LANES;

/// The length of a block: what comes before a price, the rest of the longest level, and what is
/// loaded with that.
const BLOCK_LEN: usize = PRICE_AT + 4 * LANES;

/// Memory that is used again for every frame.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    found: Found,
    tail: Tail,
}

/// What was found in a frame, its texts by their places.
#[derive(Debug)]
struct Found {
    /// Plain ASCII.
    timestamp: Range<usize>,
    sequence: u64,
    kind: UpdateKind,
    /// Plain ASCII.
    product_id: Range<usize>,
    /// The key of that, unless it is too long.
    product_key: Option<ProductKey>,
    /// Plain ASCII, and that of every level.
    event_time: Range<usize>,
    levels: Vec<PackedLevel>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            timestamp: 0..0,
            sequence: 0,
            kind: UpdateKind::Update,
            product_id: 0..0,
            product_key: None,
            event_time: 0..0,
            levels: Vec::new(),
        }
    }
}

/// The last bytes of a frame, and zeros: the last level is read from here, for in the frame itself
/// it is followed by less than a block. Copied when that level is reached: at the start of a frame
/// its end may not have arrived in the processor yet, and everything would wait for it.
#[derive(Debug)]
struct Tail([u8; 2 * BLOCK_LEN]);

impl Default for Tail {
    fn default() -> Self {
        Self([0; 2 * BLOCK_LEN])
    }
}

impl Tail {
    /// Returns the block that begins `len` bytes before the end of a frame, fewer than it has.
    #[cold]
    fn last_block(&mut self, text: &[u8], len: usize) -> Option<&[u8; BLOCK_LEN]> {
        debug_assert!(len < BLOCK_LEN, "a whole block is read where it lies");
        self.0[..BLOCK_LEN].copy_from_slice(text.last_chunk::<BLOCK_LEN>()?);
        self.0.get(BLOCK_LEN.checked_sub(len)?..)?.first_chunk()
    }
}

/// An order-book frame of the expected shape: its text, and what was found in it.
///
/// What was found stays where it was written, so that a frame is three words to pass on.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedFrame<'a> {
    text: &'a [u8],
    found: &'a Found,
}

impl<'a> ExpectedFrame<'a> {
    #[inline]
    pub(super) fn timestamp(self) -> WireTime<'a> {
        WireTime::new(&self.text[self.found.timestamp.clone()])
    }

    #[inline]
    pub(super) const fn sequence(self) -> u64 {
        self.found.sequence
    }

    #[inline]
    pub(super) const fn kind(self) -> UpdateKind {
        self.found.kind
    }

    pub(super) fn product_id(self) -> &'a str {
        let name = &self.text[self.found.product_id.clone()];
        str::from_utf8(name).expect("names of products are taken as ASCII")
    }

    #[inline]
    pub(super) const fn product_key(self) -> Option<ProductKey> {
        self.found.product_key
    }

    #[inline]
    pub(super) fn packed_levels(self) -> &'a [PackedLevel] {
        &self.found.levels
    }

    #[inline]
    pub(super) fn event_time(self) -> WireTime<'a> {
        WireTime::new(&self.text[self.found.event_time.clone()])
    }

    #[inline]
    pub(super) fn levels(self) -> ExpectedLevels<'a> {
        ExpectedLevels { levels: self.packed_levels().iter(), event_time: self.event_time() }
    }
}

/// The levels of a frame, in its order.
#[derive(Clone, Debug)]
pub(super) struct ExpectedLevels<'a> {
    levels: slice::Iter<'a, PackedLevel>,
    event_time: WireTime<'a>,
}

impl<'a> Iterator for ExpectedLevels<'a> {
    type Item = LevelUpdate<'a>;

    #[inline]
    fn next(&mut self) -> Option<LevelUpdate<'a>> {
        let level = self.levels.next()?;
        Some(LevelUpdate {
            side: level.side(),
            price: level.price(),
            size: level.size(),
            event_time: Some(self.event_time),
        })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.levels.size_hint()
    }
}

impl ExactSizeIterator for ExpectedLevels<'_> {}

impl FusedIterator for ExpectedLevels<'_> {}

impl Scratch {
    /// Reads a frame, or answers `None` if it is not exactly of the expected shape.
    #[inline]
    pub(super) fn decode<'a>(&'a mut self, text: &'a [u8]) -> Option<ExpectedFrame<'a>> {
        find(self, text)?;
        Some(ExpectedFrame { text, found: &self.found })
    }

    #[inline(always)]
    fn find(&mut self, text: &[u8]) -> Option<()> {
        let Self { found, tail } = self;
        if found.levels.capacity() > MAX_RETAINED_LEVELS {
            found.levels = Vec::new();
        }
        found.levels.clear();
        // The vectors are read as little-endian numbers.
        if cfg!(target_endian = "big") {
            return None;
        }
        let (envelope, rest) = take_envelope(text.strip_prefix(br#"{"channel":"l2_data","#)?)?;
        let rest = rest.strip_prefix(br#"{"type":""#)?;
        let (kind, rest) = match rest.strip_prefix(b"update") {
            Some(rest) => (UpdateKind::Update, rest),
            None => (UpdateKind::Snapshot, rest.strip_prefix(b"snapshot")?),
        };
        let name = rest.strip_prefix(br#"","product_id":""#)?;
        let (product_id, rest) = take_text::<NAME_VECTORS>(name)?;
        found.product_key = key_of(name, product_id.len());
        let product_at = text.len() - name.len();
        found.product_id = product_at..product_at + product_id.len();
        let rest = rest.strip_prefix(br#","updates":["#)?;
        let timestamp_at = offset_in(text, envelope.timestamp);
        found.timestamp = timestamp_at..timestamp_at + envelope.timestamp.len();
        (found.sequence, found.kind) = (envelope.sequence, kind);
        let end = found.take_levels(text, text.len() - rest.len(), tail)?;
        debug_assert!(
            found.levels.iter().all(|level| level.size().mantissa() >= 0),
            "sizes that may be below zero are left to the general tier"
        );
        (text[end..] == *b"}]}").then_some(())
    }
}

impl Found {
    /// Reads the levels from a place of a frame on, and the bracket that ends them; returns the
    /// place after the bracket.
    #[inline(always)]
    fn take_levels(&mut self, text: &[u8], at: usize, tail: &mut Tail) -> Option<usize> {
        let (mut intro, event_time) = Intro::read(text, at)?;
        let time_at = at + PRICE_AT - intro.lead - TIME_TO_PRICE.len() - event_time.len();
        self.event_time = time_at..time_at + event_time.len();
        debug_assert_eq!(text[self.event_time.clone()], *event_time, "the time was found there");
        // Room that has to grow while a snapshot is read would be copied, and be new memory twice.
        self.levels.reserve(text.len() / SHORT_LEVEL_LEN);
        // Blocks are cut so that every price lies at the same place of them.
        let mut rest = &text[at - intro.lead..];
        loop {
            let block = match rest.first_chunk() {
                Some(block) => block,
                None => tail.last_block(text, rest.len())?,
            };
            let end = match usual_level(block, &intro) {
                Some((level, end)) => {
                    self.levels.push(level);
                    end
                }
                None if intro.begins(block) => {
                    let after = self.take_other_numbers(&rest[PRICE_AT..], intro.side)?;
                    rest.len() - after.len()
                }
                None => {
                    let at = text.len() - rest.len() + intro.lead;
                    intro = intro.turned(text, at, event_time)?;
                    rest = &text[at - intro.lead..];
                    continue;
                }
            };
            match rest.get(end)? {
                b',' => rest = rest.get(end + 1 - intro.lead..)?,
                b']' => return Some(text.len() - rest.len() + end + 1),
                _ => return None,
            }
        }
    }

    /// Reads numbers of any length and form, and what ends their level.
    #[cold]
    #[inline(never)]
    fn take_other_numbers<'a>(&mut self, text: &'a [u8], side: Side) -> Option<&'a [u8]> {
        let (price, rest) = take_text::<NAME_VECTORS>(text)?;
        // The quote that ends the price was taken already.
        let (size, rest) = take_text::<NAME_VECTORS>(rest.strip_prefix(&BETWEEN[1..])?)?;
        // A sign on a size is malformed even before a zero, which the number would not show. An
        // exponent is sound, but so surprising that it is for the general tier.
        let has_exponent = price.iter().chain(size).any(|byte| byte.eq_ignore_ascii_case(&b'e'));
        if size.first() == Some(&b'-') || has_exponent {
            return None;
        }
        let (price, size) = (Fixed::parse(price).ok()?, Fixed::parse(size).ok()?);
        self.levels.push(PackedLevel::new(side, price, size));
        rest.strip_prefix(b"}")
    }
}

/// Finds everything in a frame, with the instructions that this processor has.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn find(scratch: &mut Scratch, text: &[u8]) -> Option<()> {
    scratch.find(text)
}

/// Reads a level that begins as the one before it did; returns it and the place of the block
/// where it ends, or `None` if there is anything unusual about it.
#[inline(always)]
fn usual_level(block: &[u8; BLOCK_LEN], intro: &Intro) -> Option<(PackedLevel, usize)> {
    let brace = place_of_brace(block);
    let price_end = PRICE_AT + len_to_quote(block, PRICE_AT);
    let size_at = price_end + BETWEEN.len();
    let size_end = brace - 1;
    let price = NumberText::between(block, PRICE_AT, price_end);
    let size = NumberText::between(block, size_at, size_end);
    let is_usual =
        intro.same_lanes(block) & between_lanes(block, price_end) & digit_lanes(price, size);
    // What may stand in place of a first digit, a quote, a point or a sign, comes before them all.
    let has_digits = (block[PRICE_AT] >= b'0') & (block[size_at] >= b'0');
    let is_usual_size = (size_end.wrapping_sub(size_at) <= LANES) & (block[size_end] == b'"');
    if !(is_usual.all() & has_digits & is_usual_size) {
        return None;
    }
    let [price_mantissa, size_mantissa] = mantissas(price, size);
    let (price, size) = ((price_mantissa, price.scale), (size_mantissa, size.scale));
    Some((PackedLevel::from_parts(intro.side, price, size), brace + 1))
}

/// Returns where the brace is that ends the level of a block, or a later place if the level is
/// longer than usual.
///
/// The next level is looked for from here, before anything of this one was read: that would take
/// two searches, one after the other, where the processor could be at work on both levels.
#[inline(always)]
fn place_of_brace(block: &[u8; BLOCK_LEN]) -> usize {
    /// Numbers of one digit each.
    const FIRST: usize = PRICE_AT + BETWEEN.len() + 3;
    /// Beyond numbers of sixteen bytes each.
    const BEYOND: u32 = 1 << 31;

    let braces = |at| vector_at(block, at).simd_eq(u8x16::splat(b'}')).to_bitmask();
    let braces = braces(FIRST) | braces(FIRST + LANES) << LANES | BEYOND;
    FIRST + braces.trailing_zeros() as usize
}

/// Returns all ones in every lane where a block has what stands between price and size.
#[inline(always)]
fn between_lanes(block: &[u8; BLOCK_LEN], at: usize) -> u8x16 {
    const AHEAD: usize = BETWEEN.len() - LANES;

    vector_at(BETWEEN, 0).simd_eq(vector_at(block, at))
        & vector_at(BETWEEN, AHEAD).simd_eq(vector_at(block, at + AHEAD))
}

/// All of a level that stands before its price: keys, side and time.
struct Intro {
    /// How many bytes of a block come before it. Less than a vector: times have 20 to 31 bytes.
    lead: usize,
    side: Side,
    /// The first sixteen bytes, which overlap those after them.
    first: u8x16,
    /// All others, up to the price.
    last: [u8x16; PRICE_AT / LANES - 1],
}

impl Intro {
    /// Reads the start of the level at a place of a frame, and returns it with its time.
    #[inline]
    fn read(text: &[u8], at: usize) -> Option<(Self, &[u8])> {
        let rest = text[at..].strip_prefix(br#"{"side":""#)?;
        let (side, rest) = match rest.strip_prefix(b"bid") {
            Some(rest) => (Side::Bid, rest),
            None => (Side::Ask, rest.strip_prefix(b"offer")?),
        };
        let rest = rest.strip_prefix(br#"","event_time":""#)?;
        let (event_time, rest) = take_text::<NAME_VECTORS>(rest)?;
        let rest = rest.strip_prefix(&TIME_TO_PRICE[1..])?;
        Some((Self::between(text, at, text.len() - rest.len(), side)?, event_time))
    }

    /// Reads the start of a level of the other side and of the same time.
    ///
    /// Sides change once in nearly every frame, so this looks at vectors as for any other level.
    #[inline]
    fn turned(&self, text: &[u8], at: usize, event_time: &[u8]) -> Option<Self> {
        let rest = &text[at..];
        let (side, rest) = match self.side {
            Side::Bid => (Side::Ask, rest.strip_prefix(br#"{"side":"offer","event_time":""#)?),
            Side::Ask => (Side::Bid, rest.strip_prefix(br#"{"side":"bid","event_time":""#)?),
        };
        let price_at = text.len() - rest.len() + event_time.len() + TIME_TO_PRICE.len();
        let intro = Self::between(text, at, price_at, side)?;
        // Up to the price there are the first vector of the time and the last three of the intro.
        let same_time = first_vector(rest)?.simd_eq(first_vector(event_time)?);
        let lasts = intro.last.iter().zip(&self.last).skip(1);
        let same = lasts.fold(same_time, |same, (one, other)| same & one.simd_eq(*other));
        same.all().then_some(intro)
    }

    /// Returns what stands between two places of a frame, the first of them that of a level of
    /// this side, the other that of its price.
    #[inline]
    fn between(text: &[u8], at: usize, price_at: usize, side: Side) -> Option<Self> {
        let lead = PRICE_AT.checked_sub(price_at - at).filter(|lead| *lead < LANES)?;
        let block: &[u8; PRICE_AT] = text.get(..price_at)?.last_chunk()?;
        Some(Self {
            lead,
            side,
            first: vector_at(block, lead),
            last: std::array::from_fn(|index| vector_at(block, (index + 1) * LANES)),
        })
    }

    fn begins(&self, block: &[u8; BLOCK_LEN]) -> bool {
        self.same_lanes(block).all()
    }

    /// Returns all ones in every lane where the level of a block begins like this.
    #[inline(always)]
    fn same_lanes(&self, block: &[u8; BLOCK_LEN]) -> u8x16 {
        let first = self.first.simd_eq(vector_at(block, self.lead % LANES));
        self.last.iter().enumerate().fold(first, |same, (index, last)| {
            same & last.simd_eq(vector_at(block, (index + 1) * LANES))
        })
    }
}

/// Returns where a part of a text begins.
#[inline(always)]
fn offset_in(text: &[u8], part: &[u8]) -> usize {
    debug_assert!(text.as_ptr_range().contains(&part.as_ptr()), "a part lies within its text");
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// Returns the key of the name of `len` bytes that a text begins with, if it has one.
#[inline(always)]
fn key_of(text: &[u8], len: usize) -> Option<ProductKey> {
    let beyond = LANES.checked_sub(len)?;
    let name = first_vector(text)? & !last_lanes(beyond as u32);
    Some(ProductKey::new(name.to_array()))
}

/// Returns the sixteen bytes that a text begins with.
#[inline(always)]
fn first_vector(text: &[u8]) -> Option<u8x16> {
    Some(vector_at::<LANES>(text.first_chunk()?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Scratch {
        /// As [`Scratch::decode`], with the instructions that every processor has.
        pub(in crate::wire) fn decode_at_baseline<'a>(
            &'a mut self,
            text: &'a [u8],
        ) -> Option<ExpectedFrame<'a>> {
            self.find(text)?;
            Some(ExpectedFrame { text, found: &self.found })
        }
    }
}
