//! A published BBO against the book that it is of.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{Bbo, FrameOrigin, bbo_channel};
use crate::book::depth::{Band, DepthError};
use crate::book::{Book, Depth};
use crate::units::{Epoch, PackedLevel, Side, UnixNanos};

fn origin(received: Instant) -> FrameOrigin {
    let event_time = Some(UnixNanos::new(1_790_735_993_670_986_313));
    FrameOrigin { sequence: 42, connection: 3, event_time, received }
}

/// Returns what a reader gets of a book, a second after an epoch at 1970 on the wall clock.
fn bbo_of(book: &Book) -> Bbo {
    let epoch = Epoch { instant: Instant::now(), wall: Some(UnixNanos::new(0)) };
    let (mut publisher, reader) = bbo_channel(epoch);
    publisher.publish(&book.tops(), origin(epoch.instant + Duration::from_secs(1)));
    reader.load().unwrap()
}

/// Returns a book with a bid and an ask, each a mantissa at the scale of prices or sizes.
fn book_of(levels: [(Side, i64, i64); 2], price_scale: u8, size_scale: u8) -> Book {
    let [bid, ask] = levels.map(|(side, price, size)| {
        PackedLevel::from_parts(side, (price, price_scale), (size, size_scale))
    });
    // A scale grows by eighteen digits at most, so this leads half of the way to the finest.
    let half = |scale| if scale > 14 { 14 } else { 0 };
    let halfway =
        |size| PackedLevel::from_parts(Side::Bid, (1, half(price_scale)), (size, half(size_scale)));
    let mut book = Book::new();
    book.apply(&[halfway(1), halfway(0), bid, ask], &mut Default::default()).unwrap();
    book
}

fn usual_book() -> Book {
    book_of([(Side::Bid, 10_025, 500), (Side::Ask, 10_050, 2_000)], 2, 3)
}

/// Numbers of every length that a book holds.
fn mantissas() -> impl Strategy<Value = i64> {
    prop_oneof![1..100i64, 1..=i64::MAX, (i64::MAX - 100)..=i64::MAX, Just(1 << 62)]
}

fn prices() -> impl Strategy<Value = i64> {
    prop_oneof![mantissas(), mantissas().prop_map(|price| -price), Just(0)]
}

/// Asserts that an answer is the book's, and that it is there where no decimal holds that.
fn assert_same(
    of_bbo: Option<Decimal>,
    of_book: Result<Option<Decimal>, DepthError>,
) -> Result<(), TestCaseError> {
    match of_book {
        Ok(answer) => prop_assert_eq!(of_bbo, answer),
        Err(error) => {
            prop_assert_eq!(error, DepthError::OutOfRange);
            prop_assert!(of_bbo.is_some(), "both sides have a level");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_bbo_answers_as_its_book_does(
        bid in (prices(), mantissas()),
        ask in (prices(), mantissas()),
        price_scale in 0u8..29,
        size_scale in 0u8..29,
        sides in 0..4,
    ) {
        let kept = |is_kept: bool, size: i64| if is_kept { size } else { 0 };
        let levels = [
            (Side::Bid, bid.0, kept(sides != 1, bid.1)),
            (Side::Ask, ask.0, kept(sides != 2, ask.1)),
        ];
        let book = book_of(levels, price_scale, size_scale);
        let bbo = bbo_of(&book);
        assert_same(bbo.mid(), Depth::mid(&book))?;
        assert_same(bbo.spread(), Depth::spread(&book))?;
        assert_same(bbo.microprice(), Depth::microprice(&book))?;
        assert_same(bbo.imbalance(), book.imbalance(Band::Levels(1)))?;
        prop_assert_eq!(bbo.mid().is_some(), bbo.bid.is_some() && bbo.ask.is_some());
    }
}

#[test]
fn answers_of_known_digits() {
    let bbo = bbo_of(&usual_book());
    assert_eq!(bbo.mid(), Some(Decimal::new(100_375, 3)));
    assert_eq!(bbo.spread(), Some(Decimal::new(25, 2)));
    assert_eq!(bbo.microprice(), Some(Decimal::new(1_003, 1)));
    assert_eq!(bbo.imbalance(), Some(Decimal::new(-6, 1)));
    assert_eq!(bbo.mid_f64(), Some(100.375));

    let empty = bbo_of(&Book::new());
    for answer in [empty.mid(), empty.spread(), empty.microprice(), empty.imbalance()] {
        assert_eq!(answer, None);
    }
    assert_eq!(empty.mid_f64(), None);
}

#[test]
fn a_mid_that_no_decimal_holds_is_rounded_to_the_even_digit() {
    for (ask, mid) in [(2, 2), (4, 2), (6, 4)] {
        let bbo = bbo_of(&book_of([(Side::Bid, 1, 1), (Side::Ask, ask, 1)], 28, 0));
        assert_eq!(bbo.mid(), Some(Decimal::new(mid, 28)), "of 1 and {ask}");
    }
}

#[test]
fn the_longest_numbers_of_a_book_have_a_microprice() {
    let max = i64::MAX;
    let book = book_of([(Side::Bid, max - 1, max), (Side::Ask, max, max)], 0, 0);
    let halfway = Decimal::from(max) - Decimal::new(5, 1);
    assert_eq!(bbo_of(&book).microprice(), Some(halfway));
    let book = book_of([(Side::Bid, -max, max), (Side::Ask, 1 - max, max)], 0, 0);
    assert_eq!(bbo_of(&book).microprice(), Some(-halfway));
}

#[test]
fn age_is_the_time_since_the_receipt() {
    let bbo = bbo_of(&usual_book());
    let later = bbo.received + Duration::from_millis(7);
    assert_eq!(bbo.age(later), Duration::from_millis(7));
    assert_eq!(bbo.age(bbo.received - Duration::from_millis(7)), Duration::ZERO);
    assert_eq!(bbo.received_at, Some(UnixNanos::new(1_000_000_000)));
}

#[test]
fn a_bbo_shows_on_one_line() {
    let bbo = bbo_of(&usual_book());
    assert_eq!(
        bbo.to_string(),
        "bid 0.5 @ 100.25, ask 2 @ 100.5, sequence 42, 2026-09-30T02:39:53.670986313Z"
    );
    let empty = Bbo { event_time: None, ..bbo_of(&Book::new()) };
    assert_eq!(empty.to_string(), "no bid, no ask, sequence 42");
}

#[cfg(feature = "serde")]
#[test]
fn a_bbo_is_written_without_its_instant() {
    let bbo = bbo_of(&usual_book());
    let expected = serde_json::json!({
        "bid": {"price": "100.25", "size": "0.5"},
        "ask": {"price": "100.5", "size": "2"},
        "sequence": 42,
        "connection": 3,
        "event_time": "2026-09-30T02:39:53.670986313Z",
        "received_at": "1970-01-01T00:00:01.000000000Z",
    });
    assert_eq!(serde_json::to_value(bbo).unwrap(), expected);
}
