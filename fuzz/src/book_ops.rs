//! Changes of a book beside a naive one, errors included.

use level2::book::{Applied, Book, BookError, Fixed, PackedLevel, SetOutcome, Side, Snapshot};
use rust_decimal::Decimal;

use super::naive_book::{NaiveBook, NaiveLevel};
use super::number::{self, Place};
use super::picks::Picks;

/// The most operations of one run, so that it ends.
const MAX_OPERATIONS: usize = 100;

/// The bounds of a side: reached at once, by some operations, by many, never.
const MAX_LEVELS: [usize; 4] = [3, 40, 2_000, 500_000];

/// The largest price, in its last digit, that a market moves to.
const MAX_MIDDLE: i64 = 9_000_000_000_000_000_000;

/// Where markets are, in the last digit of their prices.
const MIDDLES: [i64; 14] = [
    8_327_725,
    1,
    0,
    -40,
    999_999_999_900,
    1 << 18,
    MAX_MIDDLE,
    MAX_MIDDLE / 10,
    -MAX_MIDDLE,
    -MAX_MIDDLE / 1_000,
    i64::MAX,
    i64::MAX - 300_000,
    i64::MIN + 1,
    i64::MIN / 10,
];

/// Sizes, in their last digit.
const SIZES: [i64; 10] = [0, 0, 0, 1, 1, 7, 36_000_001, -1, i64::MAX, i64::MAX / 10];

/// Takes bytes for operations on a book.
///
/// # Panics
/// When the book is not what it should be.
pub fn book_ops(data: &[u8]) {
    let mut picks = Picks::new(data);
    let mut pair = Pair::new(picks.of(&MAX_LEVELS));
    for _ in 0..MAX_OPERATIONS {
        if picks.is_empty() {
            break;
        }
        pair.step(&mut picks);
        pair.naive.levels.assert_ends_equal(&pair.book);
    }
    pair.naive.levels.assert_equal(&pair.book);
}

/// A book and the naive one that it has to equal, and where the market is.
struct Pair {
    book: Book,
    naive: NaiveScales,
    middle: i64,
    price_scale: u8,
    size_scale: u8,
}

impl Pair {
    fn new(max_levels: usize) -> Self {
        Self {
            book: Book::with_max_levels(max_levels),
            naive: NaiveScales::new(max_levels),
            middle: MIDDLES[0],
            price_scale: 2,
            size_scale: 8,
        }
    }

    fn step(&mut self, picks: &mut Picks<'_>) {
        match picks.below(20) {
            0 => self.middle = picks.of(&MIDDLES),
            1 => self.middle = self.middle.saturating_add(i64::from(picks.u16().cast_signed())),
            2 => {
                let tenfold = self.middle.saturating_mul(10);
                self.middle = tenfold.clamp(-MAX_MIDDLE, MAX_MIDDLE);
            }
            3 => self.price_scale = picks.byte() % 29,
            4 => self.size_scale = picks.byte() % 29,
            5 | 6 => self.fill(picks),
            7 => self.remove_best(picks),
            8 => self.replace(picks),
            9 | 10 => self.apply(picks),
            11 => self.naive.levels.assert_equal(&self.book),
            12 if picks.one_in(4) => {
                self.book.clear();
                self.naive = NaiveScales::new(self.naive.max_levels);
            }
            _ => {
                let (side, price, size) = self.level(picks);
                self.set(side, price, size);
            }
        }
    }

    /// Checks one change, its answer included. Returns whether it was made.
    fn set(&mut self, side: Side, price: Fixed, size: Fixed) -> bool {
        let expected = self.naive.set(side, price, size);
        assert_eq!(self.book.set(side, price, size), expected, "{side} {price} {size}");
        expected.is_ok()
    }

    /// Sets many levels that lie evenly, as a market maker's do.
    fn fill(&mut self, picks: &mut Picks<'_>) {
        let (side, start, size) = self.level(picks);
        let step = picks.of(&[1, 1, 2, 25, 1_000, 300_000, -1, -7]);
        for index in 0..count(picks) {
            let index = i64::from(index);
            let mantissa =
                index.checked_mul(step).and_then(|far| start.mantissa().checked_add(far));
            let Some(price) = mantissa.and_then(|mantissa| fixed(mantissa, start.scale())) else {
                break;
            };
            if !self.set(side, price, size) {
                self.naive.levels.assert_equal(&self.book);
                break;
            }
        }
    }

    /// Removes the best levels of a side, as a market that runs away does.
    fn remove_best(&mut self, picks: &mut Picks<'_>) {
        let side = side(picks);
        for _ in 0..count(picks) {
            let Some(best) = self.book.levels(side).next() else { break };
            let price = Fixed::try_from(best.price).expect("a level's price came as one");
            self.set(side, price, Fixed::ZERO);
        }
    }

    fn replace(&mut self, picks: &mut Picks<'_>) {
        let max_levels = self.naive.max_levels;
        let (mut snapshot, mut naive) = (Snapshot::new(max_levels), NaiveScales::new(max_levels));
        let mut pushed = [0, 0];
        for _ in 0..picks.below(64) {
            let (side, price, size) = self.level(picks);
            let pushed = &mut pushed[usize::from(side == Side::Ask)];
            let expected = naive.push(side, price, size, *pushed);
            assert_eq!(snapshot.push(side, price, size), expected, "{side} {price} {size}");
            *pushed += usize::from(expected.is_ok());
        }
        self.book.replace(snapshot);
        naive.pushed.clear();
        self.naive = naive;
        self.naive.levels.assert_equal(&self.book);
    }

    fn apply(&mut self, picks: &mut Picks<'_>) {
        let levels: Vec<_> = (0..picks.below(32)).map(|_| self.level(picks)).collect();
        let changes: Vec<PackedLevel> = levels
            .iter()
            .map(|(side, price, size)| PackedLevel::new(*side, *price, *size))
            .collect();
        let mut applied = Applied::default();
        let answer = self.book.apply(&changes, &mut applied);
        let mut counts = [0, 0, 0];
        let expected = levels.into_iter().try_for_each(|(side, price, size)| {
            let change = self.naive.set(side, price, size)?;
            counts[0] += 1;
            counts[1] += u64::from(!matches!(change, SetOutcome::Absent | SetOutcome::Unchanged));
            counts[2] += u64::from(change == SetOutcome::Absent);
            Ok::<(), BookError>(())
        });
        assert_eq!(answer, expected);
        assert_eq!([applied.total, applied.made, applied.absent], counts);
        self.naive.levels.assert_equal(&self.book);
    }

    fn level(&self, picks: &mut Picks<'_>) -> (Side, Fixed, Fixed) {
        let side = side(picks);
        let choice = picks.byte();
        let far = i64::from(picks.byte().cast_signed());
        let away = match choice % 16 {
            15 => far.saturating_mul(1_000_003),
            14 => far * 997,
            _ => far,
        };
        let price_scale = self.price_scale.saturating_sub(choice / 64);
        let mantissa = self.middle.saturating_add(away);
        let price = fixed(mantissa, price_scale).unwrap_or(Fixed::ZERO);
        let size = fixed(picks.of(&SIZES), self.size_scale).unwrap_or(Fixed::ZERO);
        (side, price, size)
    }
}

fn side(picks: &mut Picks<'_>) -> Side {
    if picks.one_in(2) { Side::Ask } else { Side::Bid }
}

/// Returns how many levels to take at once: mostly few, so that a run is short.
fn count(picks: &mut Picks<'_>) -> u16 {
    const COUNTS: [u16; 12] = [1, 2, 3, 4, 7, 12, 20, 33, 64, 65, 129, 255];

    picks.of(&COUNTS)
}

fn fixed(mut mantissa: i64, mut scale: u8) -> Option<Fixed> {
    // A decimal drops its zeros itself, but slowly.
    while scale > 0 && mantissa % 10 == 0 {
        (mantissa, scale) = (mantissa / 10, scale - 1);
    }
    let decimal = Decimal::try_from_i128_with_scale(mantissa.into(), scale.into()).ok()?;
    Fixed::try_from(decimal).ok()
}

/// The naive book with what bounds a real one: how many levels, and at which scales.
struct NaiveScales {
    levels: NaiveBook,
    max_levels: usize,
    price_scale: u8,
    size_scale: u8,
    /// The prices and sizes of a snapshot that is being gathered: also those without a level.
    pushed: Vec<NaiveLevel>,
}

impl NaiveScales {
    fn new(max_levels: usize) -> Self {
        Self {
            levels: NaiveBook::default(),
            max_levels,
            price_scale: 0,
            size_scale: 0,
            pushed: Vec::new(),
        }
    }

    fn set(&mut self, side: Side, price: Fixed, size: Fixed) -> Result<SetOutcome, BookError> {
        self.check_size(size)?;
        if !(size.is_zero() && price.scale() > self.price_scale) {
            self.check_price(price)?;
        }
        let levels = self.levels.side(side);
        let held = levels.get(&Place::of(price)).map(|level| level.size);
        if levels.len() >= self.max_levels && held.is_none() && !size.is_zero() {
            return Err(BookError::TooManyLevels { side, max_levels: self.max_levels });
        }
        self.levels.set(side, price, size);
        Ok(match held {
            None if size.is_zero() => SetOutcome::Absent,
            None => SetOutcome::Inserted,
            Some(_) if size.is_zero() => SetOutcome::Removed,
            Some(held) if held == size => SetOutcome::Unchanged,
            Some(_) => SetOutcome::Resized,
        })
    }

    /// Sets a level of a snapshot, of which so many came before on its side.
    fn push(
        &mut self,
        side: Side,
        price: Fixed,
        size: Fixed,
        pushed: usize,
    ) -> Result<(), BookError> {
        self.check_price(price)?;
        self.check_size(size)?;
        if pushed >= self.max_levels {
            return Err(BookError::TooManyLevels { side, max_levels: self.max_levels });
        }
        self.levels.set(side, price, size);
        self.pushed.push(NaiveLevel { price, size });
        Ok(())
    }

    fn check_price(&mut self, price: Fixed) -> Result<(), BookError> {
        let (from, to) = (self.price_scale, self.price_scale.max(price.scale()));
        let all_fit = from == to || self.all_levels().all(|level| fits(level.price, to, MAX_TICKS));
        if !all_fit || to - from > MAX_GROWTH || !fits(price, to, MAX_TICKS) {
            return Err(BookError::PriceOutOfRange { price });
        }
        self.price_scale = to;
        Ok(())
    }

    fn check_size(&mut self, size: Fixed) -> Result<(), BookError> {
        let (from, to) = (self.size_scale, self.size_scale.max(size.scale()));
        let all_fit = from == to || self.all_levels().all(|level| fits(level.size, to, u64::MAX));
        if !all_fit || to - from > MAX_GROWTH || !fits(size, to, MAX_TICKS) {
            return Err(BookError::SizeOutOfRange { size });
        }
        self.size_scale = to;
        if size.mantissa() < 0 {
            return Err(BookError::NegativeSize { size });
        }
        Ok(())
    }

    fn all_levels(&self) -> impl Iterator<Item = &NaiveLevel> {
        let held =
            [Side::Bid, Side::Ask].into_iter().flat_map(|side| self.levels.side(side).values());
        held.chain(&self.pushed)
    }
}

/// What a number that comes may be at most, in units of its scale.
const MAX_TICKS: u64 = i64::MAX as u64;

/// How many digits a scale may grow by at once.
const MAX_GROWTH: u8 = 18;

/// Returns whether a number has at most this magnitude in units of a scale.
fn fits(number: Fixed, scale: u8, max: u64) -> bool {
    number::units(number, scale).is_some_and(|units| units <= u128::from(max))
}
