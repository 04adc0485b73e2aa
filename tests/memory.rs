//! Books cost a bounded number of bytes: 800 products of 3,000 levels fit in 512 MiB.
//!
//! The allocator of this test binary counts what is held.
#![allow(unsafe_code)]

#[path = "support/held.rs"]
mod held;

use level2::book::{Book, Fixed, MAX_LEVELS_PER_SIDE, Side, Snapshot};
use rust_decimal::Decimal;

use self::held::held;

/// A book of so many levels a side, its neighbours up to twice `gap` ticks apart.
fn book(levels_per_side: usize, gap: i64, seed: u64) -> Book {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
    for (side, direction) in [(Side::Bid, -1), (Side::Ask, 1)] {
        let mut cents = 200_000_000;
        for _ in 0..levels_per_side {
            cents += direction * rng.i64(1..=2 * gap);
            let price = format!("{}.{:02}", cents / 100, cents % 100);
            let size = format!("0.{:08}", rng.u32(1..99_999_999));
            let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
            snapshot.push(side, number(&price), number(&size)).unwrap();
        }
    }
    let mut book = Book::new();
    book.replace(snapshot);
    book
}

/// Has levels come to and leave all parts of a book near its touch: memory that is only taken
/// when it is needed is then all taken.
fn wear(book: &mut Book) {
    let best = Fixed::try_from(book.best_ask().unwrap().price).unwrap();
    assert_eq!(book.price_scale(), 2);
    let best = best.ticks(2).unwrap();
    for (side, direction) in [(Side::Bid, -1), (Side::Ask, 1)] {
        for distance in (0..300_000).step_by(61) {
            let price = Decimal::new(best + direction * distance, 2);
            if book.size_at(side, price).is_none() {
                let price = Fixed::try_from(price).unwrap();
                book.set(side, price, Fixed::parse(b"1").unwrap()).unwrap();
                book.set(side, price, Fixed::ZERO).unwrap();
            }
        }
    }
}

/// How many bytes a book holds. One test runs here, so that nothing else counts.
fn bytes_of(levels_per_side: usize, gap: i64) -> usize {
    let before = held();
    let mut book = book(levels_per_side, gap, 7);
    wear(&mut book);
    let bytes = held() - before;
    assert_eq!(book.level_count(Side::Bid) + book.level_count(Side::Ask), 2 * levels_per_side);
    println!(
        "{} levels, {gap} ticks apart: {bytes} bytes, {} a level",
        2 * levels_per_side,
        bytes / (2 * levels_per_side)
    );
    bytes
}

#[test]
fn books_cost_a_bounded_number_of_bytes() {
    const PRODUCTS: usize = 800;
    const BUDGET: usize = 512 << 20;

    for gap in [1, 25, 80, 150, 2_000] {
        for (levels_per_side, bytes_per_level) in [(100, 190), (1_500, 180), (22_500, 75)] {
            let bytes = bytes_of(levels_per_side, gap);
            assert!(bytes <= 2 * levels_per_side * bytes_per_level, "{levels_per_side} {gap}");
            assert!(levels_per_side != 1_500 || bytes * PRODUCTS <= BUDGET, "{gap}");
        }
    }
}
