//! A market as a seeded random walk: its moods, and which intervals bring changes.

use super::mood::Mood;
use super::mover::Mover;
use super::spec::ProductSpec;
use super::true_book::{TrueBook, TrueChange};

/// The most intervals that are drawn ahead.
const MAX_QUIET_AHEAD: u32 = 1_000;

/// A seeded random walk of a book.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) mover: Mover,
    is_changing: bool,
    mood: Mood,
    /// For how many intervals yet to be drawn the mood stays. Used only while moods change.
    mood_left: u32,
    /// The share of intervals that are quiet by the product's own setting.
    own_quiet_permille: u64,
    /// The share of intervals that are quiet by that setting and the mood.
    quiet_permille: u64,
    /// How many of the next intervals have been drawn and bring nothing.
    quiet_ahead: u32,
    /// Whether the interval after those has been drawn too and brings changes.
    is_busy_after: bool,
}

impl Walk {
    pub(super) fn new(spec: &ProductSpec, seed: u64) -> Self {
        let mut walk = Self {
            mover: Mover::new(spec.clone(), seed),
            is_changing: spec.mood == Mood::Changing,
            mood: Mood::Measured,
            mood_left: 0,
            own_quiet_permille: spec.quiet_permille,
            quiet_permille: 0,
            quiet_ahead: 0,
            is_busy_after: false,
        };
        walk.set_mood(spec.mood.first());
        walk
    }

    pub(super) fn step(&mut self, out: &mut Vec<TrueChange>) {
        out.clear();
        self.mover.undo.clear();
        if self.quiet_ahead > 0 {
            self.quiet_ahead -= 1;
            return;
        }
        if std::mem::take(&mut self.is_busy_after) || !self.draw_is_quiet() {
            self.mover.change(out);
        }
    }

    pub(super) fn quiet_ahead(&mut self) -> u32 {
        while !self.is_busy_after && self.quiet_ahead < MAX_QUIET_AHEAD {
            if self.draw_is_quiet() {
                self.quiet_ahead += 1;
            } else {
                self.is_busy_after = true;
            }
        }
        self.quiet_ahead
    }

    pub(super) fn skip_quiet(&mut self, intervals: u32) {
        debug_assert!(intervals <= self.quiet_ahead, "only quiet intervals are skipped");
        self.quiet_ahead = self.quiet_ahead.saturating_sub(intervals);
    }

    pub(super) fn mood(&self) -> Mood {
        self.mood
    }

    pub(super) fn book(&self) -> &TrueBook {
        &self.mover.book
    }

    pub(super) fn undo(&self) -> &[TrueChange] {
        &self.mover.undo
    }

    /// Draws whether an interval brings nothing.
    fn draw_is_quiet(&mut self) -> bool {
        if self.is_changing {
            if self.mood_left == 0 {
                let (mood, intervals) = Mood::draw(&mut self.mover.rng);
                self.set_mood(mood);
                self.mood_left = intervals;
            }
            self.mood_left -= 1;
        }
        self.mover.rng.u64(0..1_000) < self.quiet_permille
    }

    /// Takes on a mood. An interval is busy if both the mood and the product's own setting leave
    /// it so.
    fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
        let temper = mood.temper();
        self.mover.temper = temper;
        let (own, moods) = (1_000 - self.own_quiet_permille, 1_000 - temper.quiet_permille);
        let busy = if own == 0 { 0 } else { (own * moods / 1_000).max(1) };
        self.quiet_permille = 1_000 - busy;
    }
}
