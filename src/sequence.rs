//! Whether a frame is the one that was expected next. Nothing else.
//!
//! The venue numbers the frames of a connection from 0, by one, over all channels and products,
//! acknowledgements and heartbeats included. Every capture seen shows that; the documentation's
//! overview says "for each product", so what one tracker counts is the caller's choice.

/// After this many older numbers in a row the counter is taken to have started again.
///
/// Without the bound, a counter that silently restarts somewhere above 0 would look like a run of
/// duplicates for as long as it takes to catch up, while the book grows stale. A restart right
/// after the beginning, its number 0 lost, can look like the counter going on; no checker of
/// numbers alone can tell the two apart.
pub const MAX_OLDER_IN_A_ROW: u32 = 8;

/// Follows the numbers of one counter.
///
/// ```
/// use level2::internal::{Arrival, SequenceTracker};
///
/// let mut tracker = SequenceTracker::new();
/// assert_eq!(tracker.observe(7), Arrival::InOrder);
/// assert_eq!(tracker.observe(8), Arrival::InOrder);
/// assert_eq!(tracker.observe(8), Arrival::Duplicate);
/// assert_eq!(tracker.observe(11), Arrival::Gap { expected: 9, got: 11 });
/// assert_eq!(tracker.observe(12), Arrival::InOrder);
/// assert_eq!(tracker.observe(0), Arrival::Reset);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SequenceTracker {
    /// The newest number, or `None` before the first, which is accepted whatever it is.
    last: Option<u64>,
    older_in_a_row: u32,
}

impl SequenceTracker {
    /// Returns a tracker that accepts any first number.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None, older_in_a_row: 0 }
    }

    /// Returns the newest number seen.
    #[must_use]
    pub const fn last(&self) -> Option<u64> {
        self.last
    }

    /// Takes the next number and says how it arrived.
    ///
    /// After a gap or a reset the tracker goes on from the number that came.
    #[inline]
    pub const fn observe(&mut self, got: u64) -> Arrival {
        let arrival = match self.last {
            None => Arrival::InOrder,
            Some(_) if got == 0 => Arrival::Reset,
            Some(last) if got <= last => {
                self.older_in_a_row += 1;
                if self.older_in_a_row <= MAX_OLDER_IN_A_ROW {
                    return Arrival::Duplicate;
                }
                Arrival::Reset
            }
            Some(last) if got - last == 1 => Arrival::InOrder,
            // No overflow: `got` is larger than `last`.
            Some(last) => Arrival::Gap { expected: last + 1, got },
        };
        self.last = Some(got);
        self.older_in_a_row = 0;
        arrival
    }

    /// Counts a frame that could not be read, and so has taken a number that is not known.
    ///
    /// The caller has lost its books already; counting the number keeps the next frame from
    /// reporting the same loss again. Should the frame have been a duplicate, the next one is
    /// taken for one too: it is then not applied, which is safe while the books are lost.
    pub const fn skip_unreadable(&mut self) {
        if let Some(last) = self.last {
            self.last = Some(last.saturating_add(1));
        }
    }
}

/// How a number arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums)] // Callers must decide about each; a fifth is a break.
pub enum Arrival {
    /// It is the next, or the first of all.
    InOrder,
    /// It was seen, or is older than what was seen. The frame must not be applied.
    Duplicate,
    /// Numbers are missing. Whatever they were for can no longer be trusted.
    Gap {
        /// The number that was next.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// The counter started again: 0 came, or more than [`MAX_OLDER_IN_A_ROW`] older numbers in a
    /// row. How much was lost is unknown.
    Reset,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn observe_all(numbers: &[u64]) -> Vec<Arrival> {
        let mut tracker = SequenceTracker::new();
        numbers.iter().map(|number| tracker.observe(*number)).collect()
    }

    #[test]
    fn anchors_on_the_first_number_whatever_it_is() {
        assert_eq!(observe_all(&[0, 1]), [Arrival::InOrder; 2]);
        assert_eq!(observe_all(&[246, 247]), [Arrival::InOrder; 2]);
        assert_eq!(observe_all(&[u64::MAX]), [Arrival::InOrder]);
    }

    #[test]
    fn the_newest_number_is_the_last_that_was_taken() {
        let mut tracker = SequenceTracker::new();
        assert_eq!(tracker.last(), None);
        // Duplicates leave it, gaps and resets move it.
        for (got, last) in [(5, 5), (6, 6), (3, 6), (9, 9), (0, 0), (1, 1)] {
            tracker.observe(got);
            assert_eq!(tracker.last(), Some(last), "after {got}");
        }
        tracker.skip_unreadable();
        assert_eq!(tracker.last(), Some(2));
    }

    #[test]
    fn swapped_frames_are_one_gap_and_one_duplicate() {
        let gap = Arrival::Gap { expected: 2, got: 3 };
        assert_eq!(
            observe_all(&[1, 3, 2, 4]),
            [Arrival::InOrder, gap, Arrival::Duplicate, Arrival::InOrder]
        );
    }

    #[test]
    fn zero_again_is_a_reset_even_right_after_zero() {
        assert_eq!(observe_all(&[0, 0]), [Arrival::InOrder, Arrival::Reset]);
        assert_eq!(observe_all(&[5, 0, 1])[1..], [Arrival::Reset, Arrival::InOrder]);
    }

    #[test]
    fn a_silent_restart_above_zero_is_noticed() {
        let mut tracker = SequenceTracker::new();
        tracker.observe(1_000);
        for number in 1..=u64::from(MAX_OLDER_IN_A_ROW) {
            assert_eq!(tracker.observe(number), Arrival::Duplicate);
        }
        assert_eq!(tracker.observe(9), Arrival::Reset);
        assert_eq!(tracker.observe(10), Arrival::InOrder);
    }

    #[test]
    fn a_frame_in_order_ends_the_run_of_older_ones() {
        let mut tracker = SequenceTracker::new();
        tracker.observe(1_000);
        for next in 1_001..1_100 {
            for older in 0..u64::from(MAX_OLDER_IN_A_ROW) {
                assert_eq!(tracker.observe(1 + older), Arrival::Duplicate);
            }
            assert_eq!(tracker.observe(next), Arrival::InOrder);
        }
    }

    #[test]
    fn an_unreadable_frame_takes_one_number() {
        let mut tracker = SequenceTracker::new();
        tracker.skip_unreadable();
        assert_eq!(tracker.last(), None);
        tracker.observe(5);
        tracker.skip_unreadable();
        assert_eq!(tracker.observe(7), Arrival::InOrder);
        tracker.skip_unreadable();
        assert_eq!(tracker.observe(10), Arrival::Gap { expected: 9, got: 10 });
    }

    proptest! {
        /// What never slips by: a number left out of a rising run is a gap right at the next.
        #[test]
        fn a_lost_number_is_a_gap_at_the_next(
            first in 0..1_000u64,
            len in 2..50u64,
            lost in 1..49u64,
        ) {
            prop_assume!(lost < len - 1);
            let mut tracker = SequenceTracker::new();
            for number in (first..first + len).filter(|number| *number != first + lost) {
                let expected = if number == first + lost + 1 {
                    Arrival::Gap { expected: first + lost, got: number }
                } else {
                    Arrival::InOrder
                };
                prop_assert_eq!(tracker.observe(number), expected);
            }
        }
    }
}
