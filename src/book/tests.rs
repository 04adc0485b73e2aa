//! The book against the slow obvious one: two maps of decimals.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::scales::Scales;
use super::*;

fn number(text: &str) -> Fixed {
    Fixed::parse(text.as_bytes()).unwrap()
}

fn decimal_of(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

/// The oracle: what the venue's documentation says, and no more.
#[derive(Default)]
struct NaiveBook {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

impl NaiveBook {
    fn set(&mut self, side: Side, price: Fixed, size: Fixed) {
        let levels = match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        };
        if size.is_zero() {
            levels.remove(&price.into());
        } else {
            levels.insert(price.into(), size.into());
        }
    }

    fn assert_equals(&self, book: &Book) {
        let level = |(price, size): (&Decimal, &Decimal)| Level { price: *price, size: *size };
        let bids: Vec<Level> = self.bids.iter().rev().map(level).collect();
        let asks: Vec<Level> = self.asks.iter().map(level).collect();
        assert_eq!(book.bids().collect::<Vec<_>>(), bids);
        assert_eq!(book.asks().collect::<Vec<_>>(), asks);
        assert_eq!(book.best_bid(), bids.first().copied());
        assert_eq!(book.best_ask(), asks.first().copied());
        assert_eq!(book.level_count(Side::Bid), bids.len());
        assert_eq!(book.level_count(Side::Ask), asks.len());
        assert_eq!(
            book.bids().rev().collect::<Vec<_>>(),
            bids.into_iter().rev().collect::<Vec<_>>()
        );
        for (price, size) in &self.bids {
            assert_eq!(book.size_at(Side::Bid, *price), Some(*size));
        }
    }
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Bid), Just(Side::Ask)]
}

/// Few distinct prices, so that levels meet; scales that grow as the operations go on.
fn operation() -> impl Strategy<Value = (Side, Fixed, Fixed)> {
    (side(), 0u32..60, 0u32..4, 0u32..5, 0u32..9).prop_map(|(side, price, cents, size, digits)| {
        let price = match cents {
            0 => format!("{price}"),
            1 => format!("{price}.5"),
            2 => format!("{price}.25"),
            _ => format!("{price}.00000{cents}"),
        };
        let size =
            if size < 2 { "0".into() } else { format!("{size}.{:0>1$}1", "", digits as usize) };
        (side, number(&price), number(&size))
    })
}

proptest! {
    #[test]
    fn equals_the_naive_book_after_every_operation(
        operations in proptest::collection::vec(operation(), 1..200),
    ) {
        let mut book = Book::new();
        let mut naive = NaiveBook::default();
        for (side, price, size) in operations {
            let held = book.size_at(side, price.into());
            let change = book.set(side, price, size).unwrap();
            naive.set(side, price, size);
            let expected = match (held, size.is_zero()) {
                (None, true) => SetOutcome::Absent,
                (None, false) => SetOutcome::Inserted,
                (Some(_), true) => SetOutcome::Removed,
                (Some(held), false) if held == size.into() => SetOutcome::Unchanged,
                (Some(_), false) => SetOutcome::Resized,
            };
            prop_assert_eq!(change, expected);
            naive.assert_equals(&book);
        }
    }

    #[test]
    fn many_changes_at_once_equal_the_same_one_by_one(
        operations in proptest::collection::vec(operation(), 1..200),
        len in 1usize..50,
    ) {
        let (mut book, mut other) = (Book::new(), Book::new());
        for operations in operations.chunks(len) {
            let pack = |&(side, price, size)| PackedLevel::new(side, price, size);
            let changes: Vec<PackedLevel> = operations.iter().map(pack).collect();
            let (mut applied, mut expected) = (Applied::default(), Applied::default());
            book.apply(&changes, &mut applied).unwrap();
            for (side, price, size) in operations {
                let change = other.set(*side, *price, *size).unwrap();
                expected.total += 1;
                expected.absent += u64::from(change == SetOutcome::Absent);
                let is_made = !matches!(change, SetOutcome::Absent | SetOutcome::Unchanged);
                expected.made += u64::from(is_made);
            }
            prop_assert_eq!(applied, expected);
            prop_assert!(book.bids().eq(other.bids()) && book.asks().eq(other.asks()));
        }
    }

    #[test]
    fn a_snapshot_equals_its_levels_set_one_by_one(
        before in proptest::collection::vec(operation(), 0..20),
        levels in proptest::collection::vec(operation(), 0..200),
    ) {
        let mut book = Book::new();
        for (side, price, size) in before {
            book.set(side, price, size).unwrap();
        }
        let mut naive = NaiveBook::default();
        let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
        for (side, price, size) in &levels {
            snapshot.push(*side, *price, *size).unwrap();
            naive.set(*side, *price, *size);
        }
        book.replace(snapshot);
        naive.assert_equals(&book);

        let pack = |(side, price, size)| PackedLevel::new(side, price, size);
        let levels: Vec<PackedLevel> = levels.into_iter().map(pack).collect();
        let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
        snapshot.extend(&levels).unwrap();
        book.replace(snapshot);
        naive.assert_equals(&book);
    }
}

#[test]
fn the_whole_range_of_prices_seen_fits_one_book() {
    let mut book = Book::new();
    book.set(Side::Bid, number("0.01"), number("1237087.17218426")).unwrap();
    book.set(Side::Ask, number("9999999999.00"), number("0.00000001")).unwrap();
    book.set(Side::Bid, number("-12.5"), number("1")).unwrap();
    assert_eq!(book.best_bid().unwrap().price, decimal_of("0.01"));
    assert_eq!(book.best_ask().unwrap().price, decimal_of("9999999999"));
    assert_eq!(book.bids().next_back().unwrap().price, decimal_of("-12.5"));
    assert_eq!((book.price_scale(), book.size_scale()), (2, 8));
}

#[test]
fn a_number_that_does_not_fit_changes_nothing() {
    let mut book = Book::new();
    book.set(Side::Ask, number("9999999999"), number("1000000000000")).unwrap();
    let fine_price = number("0.0000000001");
    assert_eq!(
        book.set(Side::Bid, fine_price, number("1")),
        Err(BookError::PriceOutOfRange { price: fine_price })
    );
    let fine_size = number("0.00000001");
    assert_eq!(
        book.set(Side::Bid, number("1"), fine_size),
        Err(BookError::SizeOutOfRange { size: fine_size })
    );
    let large = number("9223372036854775807");
    book.set(Side::Bid, number("0.5"), number("1")).unwrap();
    assert_eq!(
        book.set(Side::Bid, large, number("1")),
        Err(BookError::PriceOutOfRange { price: large })
    );
    assert_eq!(book.level_count(Side::Bid), 1);
    assert_eq!(book.best_ask().unwrap().price, decimal_of("9999999999"));
    assert_eq!((book.price_scale(), book.size_scale()), (1, 0));
}

#[test]
fn a_snapshot_keeps_its_levels_when_one_does_not_fit_beside_them() {
    let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
    snapshot.push(Side::Bid, number("5"), number("2")).unwrap();
    snapshot.push(Side::Ask, number("900000000000000000"), number("900000000000000000")).unwrap();
    // Finer numbers, for which the large ones would have to grow beyond all bounds.
    let fine = number("4.25");
    let price = BookError::PriceOutOfRange { price: fine };
    assert_eq!(snapshot.push(Side::Bid, fine, number("1")), Err(price));
    let size = BookError::SizeOutOfRange { size: fine };
    assert_eq!(snapshot.push(Side::Bid, number("4"), fine), Err(size));
    let mut book = Book::new();
    book.replace(snapshot);
    let best = Level { price: decimal_of("5"), size: decimal_of("2") };
    assert_eq!(book.best_bid(), Some(best));
    assert_eq!(book.level_count(Side::Bid), 1);
}

#[test]
fn deleting_a_finer_price_does_not_grow_the_scale() {
    let mut book = Book::new();
    book.set(Side::Bid, number("10"), number("1")).unwrap();
    assert_eq!(book.set(Side::Bid, number("9.99999"), Fixed::ZERO), Ok(SetOutcome::Absent));
    assert_eq!(book.price_scale(), 0);
}

#[test]
fn refuses_negative_sizes_and_full_sides() {
    let mut book = Book::with_max_levels(2);
    let size = number("-1");
    assert_eq!(book.set(Side::Bid, number("1"), size), Err(BookError::NegativeSize { size }));
    book.set(Side::Bid, number("1"), number("1")).unwrap();
    book.set(Side::Bid, number("2"), number("1")).unwrap();
    let full = BookError::TooManyLevels { side: Side::Bid, max_levels: 2 };
    assert_eq!(book.set(Side::Bid, number("3"), number("1")), Err(full));
    assert_eq!(book.set(Side::Bid, number("2"), number("5")), Ok(SetOutcome::Resized));
    assert_eq!(book.set(Side::Bid, number("1"), Fixed::ZERO), Ok(SetOutcome::Removed));
    assert_eq!(book.set(Side::Bid, number("3"), number("1")), Ok(SetOutcome::Inserted));

    let mut snapshot = Snapshot::new(1);
    snapshot.push(Side::Ask, number("1"), number("1")).unwrap();
    assert_eq!(
        snapshot.push(Side::Ask, number("2"), number("1")),
        Err(BookError::TooManyLevels { side: Side::Ask, max_levels: 1 })
    );

    // Many at once, and one side in several runs.
    let level = |side, price| PackedLevel::new(side, number(price), number("1"));
    let (bids, asks) = (["1", "2"].map(|p| level(Side::Bid, p)), [level(Side::Ask, "7")]);
    let mut snapshot = Snapshot::new(3);
    snapshot.extend(&[&bids[..], &asks, &bids[..1]].concat()).unwrap();
    let full = BookError::TooManyLevels { side: Side::Bid, max_levels: 3 };
    assert_eq!(snapshot.extend(&[&asks[..], &bids].concat()), Err(full));
}

#[test]
fn prices_too_far_apart_for_one_scale_are_refused_however_far() {
    for scale in 18..=28 {
        let level = |mantissa, scale| PackedLevel::from_parts(Side::Bid, (mantissa, scale), (1, 0));
        let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
        // A scale grows by no more than eighteen digits at once.
        snapshot.extend(&[level(1, 18), level(1, scale)]).unwrap();
        let refused = (scale > 18).then_some(BookError::PriceOutOfRange { price: number("5") });
        assert_eq!(snapshot.extend(&[level(5, 0)]).err(), refused, "at scale {scale}");
        let refused = Err(BookError::PriceOutOfRange { price: number("50") });
        assert_eq!(snapshot.extend(&[level(50, 0)]), refused, "at scale {scale}");
    }
}

#[test]
fn a_level_that_cannot_be_held_is_refused_among_hundreds_that_can() {
    let level = |price, size| PackedLevel::from_parts(Side::Bid, price, size);
    // Wraps around to zero when it is brought to another scale.
    let huge = (1 << 62, 0);
    for (bad, expected) in [
        (level((7, 2), (-1, 3)), BookError::NegativeSize { size: number("-0.001") }),
        (level(huge, (1, 3)), BookError::PriceOutOfRange { price: level(huge, (1, 3)).price() }),
        (level((7, 2), huge), BookError::SizeOutOfRange { size: level(huge, (1, 3)).price() }),
        (level(huge, huge), BookError::PriceOutOfRange { price: level(huge, (1, 3)).price() }),
    ] {
        let mut levels: Vec<_> = (0..300).map(|i| level((10_001 + i, 2), (1_001, 3))).collect();
        levels[200] = bad;
        let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
        assert_eq!(snapshot.extend(&levels), Err(expected));
        let mut book = Book::new();
        book.replace(snapshot);
        assert_eq!(book.level_count(Side::Bid), 200);
        assert!(book.bids().all(|level| level.size == Decimal::new(1_001, 3)));
    }
}

#[test]
fn a_snapshot_may_list_its_levels_in_any_order() {
    let level = |side, ticks: i64| PackedLevel::from_parts(side, (ticks, 0), (ticks, 0));
    let rising: Vec<i64> = (1..=5_000).map(|rank| rank * 7).collect();
    let falling: Vec<i64> = rising.iter().rev().copied().collect();
    for order in [&rising, &falling] {
        let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
        for side in [Side::Bid, Side::Ask] {
            let levels: Vec<PackedLevel> = order.iter().map(|ticks| level(side, *ticks)).collect();
            snapshot.extend(&levels).unwrap();
        }
        let mut book = Book::new();
        book.replace(snapshot);
        let prices = |levels: Levels<'_>| -> Vec<Decimal> { levels.map(|l| l.price).collect() };
        let decimals =
            |ticks: &[i64]| -> Vec<Decimal> { ticks.iter().map(|t| (*t).into()).collect() };
        assert_eq!(prices(book.asks()), decimals(&rising));
        assert_eq!(prices(book.bids()), decimals(&falling));
    }
}

#[test]
fn zeros_at_the_end_of_a_fraction_change_nothing() {
    let level = |price, size| PackedLevel::from_parts(Side::Bid, price, size);
    let (shortest, long) = (level((8_327_725, 2), (5, 1)), level((83_277_250_000, 6), (5_000, 4)));
    assert_eq!(long, shortest);
    for other in [level((8_327_725, 3), (5, 1)), level((8_327_725, 2), (5, 2))] {
        assert_ne!(long, other);
    }
    assert_eq!((long.price(), long.size()), (number("83277.25"), number("0.5")));
    assert_eq!(format!("{long:?}"), format!("{shortest:?}"));
    assert!(format!("{long:?}").contains("83277"), "{long:?}");

    let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
    snapshot.extend(&[long, level((90, 1), (10, 1))]).unwrap();
    let mut book = Book::new();
    book.replace(snapshot);
    assert_eq!((book.price_scale(), book.size_scale()), (2, 1));

    // Neither a zero beyond the book's scales nor the whole number zero makes them grow.
    let changes = [level((90_000, 4), (2_000, 3)), level((83_277_250, 3), (0, 8))];
    let mut applied = Applied::default();
    book.apply(&changes, &mut applied).unwrap();
    assert_eq!(applied, Applied { total: 2, made: 2, absent: 0 });
    assert_eq!((book.price_scale(), book.size_scale()), (2, 1));
    assert_eq!(book.best_bid(), Some(Level { price: Decimal::from(9), size: Decimal::from(2) }));
}

#[test]
fn what_was_done_before_an_error_is_counted() {
    let mut book = Book::with_max_levels(2);
    let bid = |price, size| PackedLevel::new(Side::Bid, number(price), number(size));
    let changes = [bid("1", "1"), bid("7", "0"), bid("2", "1"), bid("2", "5"), bid("3", "1")];
    let mut applied = Applied::default();
    let full = BookError::TooManyLevels { side: Side::Bid, max_levels: 2 };
    assert_eq!(book.apply(&changes, &mut applied), Err(full));
    assert_eq!(applied, Applied { total: 4, made: 3, absent: 1 });
    assert_eq!(book.best_bid().unwrap().size, Decimal::from(5));

    // A full side still takes what adds no level, and the counts go on.
    assert_eq!(book.apply(&changes[1..4], &mut applied), Ok(()));
    assert_eq!(applied, Applied { total: 7, made: 5, absent: 2 });
}

#[test]
fn locked_and_crossed_books_are_crossed() {
    let mut book = Book::new();
    assert!(!book.is_crossed());
    book.set(Side::Bid, number("10"), number("1")).unwrap();
    assert!(!book.is_crossed());
    book.set(Side::Ask, number("10.01"), number("1")).unwrap();
    assert!(!book.is_crossed());
    book.set(Side::Bid, number("10.01"), number("1")).unwrap();
    assert!(book.is_crossed());
    book.set(Side::Bid, number("11"), number("1")).unwrap();
    assert!(book.is_crossed());
}

#[test]
fn a_cleared_book_is_empty_and_keeps_its_bound() {
    let mut book = Book::with_max_levels(1);
    book.set(Side::Bid, number("10.5"), number("1")).unwrap();
    book.clear();
    assert!(book.is_empty());
    assert_eq!(book.best_bid(), None);
    book.set(Side::Bid, number("1"), number("1")).unwrap();
    assert!(book.set(Side::Bid, number("2"), number("1")).is_err());
}

/// The widest numbers that a book can hold.
fn widest_book() -> Book {
    let mut book = Book::new();
    // A scale grows by eighteen digits at most, so this leads half of the way.
    book.set(Side::Bid, number("1e-14"), number("1e-14")).unwrap();
    book.set(Side::Bid, number("1e-14"), Fixed::ZERO).unwrap();
    let fine = Fixed::parse(format!("0.{:028}", i64::MAX).as_bytes()).unwrap();
    let minus = Fixed::parse(format!("-0.{:028}", i64::MAX).as_bytes()).unwrap();
    book.set(Side::Bid, minus, fine).unwrap();
    book.set(Side::Ask, fine, fine).unwrap();
    book
}

#[test]
fn debug_output_is_short_whatever_a_book_holds() {
    const MAX_LEN: usize = 300;

    let mut large = Book::new();
    let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
    for price in 1..=20_000u32 {
        let bid = Fixed::try_from(Decimal::from(price)).unwrap();
        let ask = Fixed::try_from(Decimal::from(price + 20_000)).unwrap();
        snapshot.push(Side::Bid, bid, number("0.5")).unwrap();
        snapshot.push(Side::Ask, ask, number("2")).unwrap();
    }
    let text = format!("{snapshot:?}");
    assert!(text.contains("bids: 20000, asks: 20000") && text.len() < MAX_LEN, "{text}");
    large.replace(snapshot);
    let text = format!("{large:?}");
    let expected =
        "Book { bids: 20000, asks: 20000, best_bid: 0.5 @ 20000, best_ask: 2 @ 20001, .. }";
    assert_eq!(text, expected);
    for book in [Book::new(), large, widest_book()] {
        for text in [format!("{book:?}"), format!("{book:#?}")] {
            assert!(text.len() < MAX_LEN, "{text}");
        }
    }
}

#[test]
fn a_book_answers_the_first_questions_without_an_import() {
    let mut book = Book::new();
    assert_eq!(book.mid(), None);
    book.set(Side::Bid, number("99.5"), number("2")).unwrap();
    book.set(Side::Ask, number("100.5"), number("6")).unwrap();
    assert_eq!(book.best(Side::Bid), book.best_bid());
    assert_eq!(book.best(Side::Ask), book.best_ask());
    assert_eq!(book.mid(), Some(Decimal::ONE_HUNDRED));
    assert_eq!(book.spread(), Some(Decimal::ONE));
    assert_eq!(book.microprice(), Some(decimal_of("99.75")));
}

#[test]
fn tops_are_equal_whatever_their_scales() {
    let of = |bid, ask, price, size| Tops { bid, ask, scales: Scales { price, size } };
    let tops = of(Some((1_005, 20)), None, 1, 0);
    assert_eq!(tops, tops);
    assert_eq!(tops, of(Some((10_050, 2_000)), None, 2, 2));
    for other in [
        of(Some((1_005, 20)), None, 2, 0),
        of(Some((1_005, 20)), None, 1, 1),
        of(Some((1_006, 20)), None, 1, 0),
        of(Some((1_005, 21)), None, 1, 0),
        of(Some((1_005, 20)), Some((1_005, 20)), 1, 0),
        of(None, Some((1_005, 20)), 1, 0),
        of(None, None, 1, 0),
    ] {
        assert_ne!(tops, other);
    }
    assert_eq!(of(None, None, 1, 0), of(None, None, 2, 7));
}

proptest! {
    /// As each frame does: the tops compare as the levels that callers see.
    #[test]
    fn tops_compare_as_their_levels(operations in proptest::collection::vec(operation(), 1..60)) {
        let mut book = Book::new();
        let mut last = (book.tops(), book.best_bid(), book.best_ask());
        for (side, price, size) in operations {
            book.set(side, price, size).unwrap();
            let now = (book.tops(), book.best_bid(), book.best_ask());
            prop_assert_eq!(last.0 == now.0, (last.1, last.2) == (now.1, now.2));
            last = now;
        }
    }
}
