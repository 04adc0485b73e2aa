//! Decimal numbers read sixteen bytes at a time, without a branch on their lengths.
//!
//! Lengths vary from level to level, half of all sizes are a bare zero, and a third of all prices
//! have no point. No predictor learns that, so here it steers only where vectors are loaded from
//! and which of their lanes count. The digits of a number come to lie at the end of a vector, the
//! point squeezed out, and three rounds of multiplying neighbours make an integer of them.
//!
//! The vectors are those of `wide`: SSE2 on x86-64, NEON on aarch64, arrays anywhere else.

use wide::{i16x8, i32x4, i32x8, u8x16};

/// How many bytes a vector has.
pub(super) const LANES: usize = 16;

/// A number found in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberText {
    /// The digits as 0 to 9, the last in the last lane, zeros before them. What was no digit is
    /// larger than 9.
    digits: u8x16,
    /// How many digits stand after the point.
    pub(super) scale: u8,
}

impl NumberText {
    /// Finds the number that stands between two places of a block.
    ///
    /// Means nothing unless it has at most [`LANES`] bytes, the first of them a digit.
    ///
    /// # Panics
    /// Unless both places are more than [`LANES`] from the start and from the end.
    #[inline(always)]
    pub(super) fn between<const N: usize>(block: &[u8; N], from: usize, end: usize) -> Self {
        let len = end.wrapping_sub(from) as u32;
        let points = vector_at(block, from).simd_eq(u8x16::splat(b'.')).to_bitmask();
        let whole_len = (points | 1u32.wrapping_shl(len)).trailing_zeros();
        let from_point = len.wrapping_sub(whole_len);
        let scale = from_point.saturating_sub(1);
        // The digits before the point move up by one, over it. A point that no digit follows
        // stays, and shows as what is no digit.
        let unmoved = vector_at(block, end - LANES);
        let moved = vector_at(block, end - LANES - 1);
        let digits = unmoved_lanes(from_point).bitselect(unmoved, moved) ^ u8x16::splat(b'0');
        let digits = digits & last_lanes(whole_len.wrapping_add(scale));
        Self { digits, scale: scale as u8 }
    }
}

/// Returns all ones in the lanes of the digits after the point, or in all lanes if there are none,
/// by how many bytes of the number are not before the point.
#[inline(always)]
fn unmoved_lanes(from_point: u32) -> u8x16 {
    const LANES_BY_LEN: [[u8; LANES]; 2 * LANES] = {
        let mut lanes = [[!0; LANES]; 2 * LANES];
        let mut len = 2;
        while len < lanes.len() {
            let mut lane = 0;
            while lane + len < LANES + 1 {
                lanes[len][lane] = 0;
                lane += 1;
            }
            len += 1;
        }
        lanes
    };
    u8x16::new(LANES_BY_LEN[from_point as usize % LANES_BY_LEN.len()])
}

/// Returns how many bytes stand at a place before the next quote, at most [`LANES`].
#[inline(always)]
pub(super) fn len_to_quote<const N: usize>(block: &[u8; N], at: usize) -> usize {
    let quotes = vector_at(block, at).simd_eq(u8x16::splat(b'"')).to_bitmask();
    (quotes | 1 << LANES).trailing_zeros() as usize
}

/// Returns all ones in every lane where neither number has anything but a digit.
#[inline(always)]
pub(super) fn digit_lanes(one: NumberText, other: NumberText) -> u8x16 {
    let largest = one.digits.max(other.digits);
    largest.min(u8x16::splat(9)).simd_eq(largest)
}

/// Returns the integers that the digits of two numbers make. If they have other than digits, the
/// integers mean nothing.
#[inline(always)]
pub(super) fn mantissas(one: NumberText, other: NumberText) -> [i64; 2] {
    // Sixteen digits, then eight pairs of them, then four groups of four.
    let groups_of = |number: NumberText| -> i32x4 {
        // Times 2561 is times ten and one byte up, plus itself: the upper byte is the pair then.
        let lanes: i16x8 = bytemuck::cast(number.digits);
        let pairs: i16x8 = (lanes * i16x8::splat(10 << 8 | 1)) >> 8u32;
        pairs.dot(i16x8::new([100, 1, 100, 1, 100, 1, 100, 1]))
    };
    // From here on both go together: eight groups of four digits, then four of eight.
    let groups: i32x8 = bytemuck::cast([groups_of(one), groups_of(other)]);
    let groups = i16x8::from_i32x8_saturate(groups);
    let groups = groups.dot(i16x8::new([10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1]));
    let halves: [u64; 2] = bytemuck::cast(groups);
    // Sixteen digits fit.
    halves.map(|half| ((half & 0xffff_ffff) * 100_000_000 + (half >> 32)).cast_signed())
}

/// Returns the sixteen bytes at a place.
#[inline(always)]
pub(super) fn vector_at<const N: usize>(block: &[u8; N], at: usize) -> u8x16 {
    let mut lanes = [0; LANES];
    lanes.copy_from_slice(&block[at..at + LANES]);
    u8x16::new(lanes)
}

/// Returns all ones in the last lanes, at most sixteen of them.
#[inline(always)]
pub(super) fn last_lanes(count: u32) -> u8x16 {
    /// Sixteen lanes of zeros, and ones. Twice as many ones as needed spare a bounds check.
    const EDGE: [u8; 3 * LANES] = {
        let mut edge = [0; 3 * LANES];
        let mut lane = LANES;
        while lane < edge.len() {
            edge[lane] = !0;
            lane += 1;
        }
        edge
    };
    vector_at(&EDGE, count as usize % (2 * LANES))
}
