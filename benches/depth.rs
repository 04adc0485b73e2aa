//! What questions to a book cost: fills, depth, imbalance and grouped levels.

mod support;

use std::hint::black_box;

use level2::book::depth::{Amount, Band, Fill, Reference, Taker};
use level2::{Book, Depth, Level, Side};
use rust_decimal::Decimal;
use support::ladder_pair::LadderPair;
use support::{mode, recording};

/// How many levels the book has.
const LEVELS: usize = 45_000;

/// Returns the best asks as they are, and what they add up to.
fn best_asks(book: &Book, count: usize) -> (Decimal, Decimal) {
    let levels = book.asks().take(count);
    levels.fold((Decimal::ZERO, Decimal::ZERO), |(size, notional), level| {
        (size + level.size, notional + level.price * level.size)
    })
}

fn rows_of(book: &Book, increment: Decimal) -> impl Iterator<Item = Level> {
    let rows = book.grouped(Side::Ask, increment).expect("the increment is above zero");
    rows.map(|row| row.expect("decimals hold the rows")).take(20)
}

fn main() {
    let recording = recording::fixture(recording::BTC_USD);
    let book = LadderPair::of_snapshot(&recording[0], LEVELS).book();
    let mut criterion = mode::criterion();
    let mut group = criterion.benchmark_group("depth");

    let (size, notional) = best_asks(&book, 10);
    let fill = |amount| black_box(&book).fill(Taker::Buy, amount).expect("decimals hold it");
    let assert_ten = |fill: Fill| assert_eq!((fill.size, fill.notional), (size, notional));
    group.bench_function("fill_size_of_10_levels", |bencher| {
        bencher.iter(|| assert_ten(fill(black_box(Amount::Size(size)))));
    });
    group.bench_function("fill_notional_of_10_levels", |bencher| {
        bencher.iter(|| assert_ten(fill(black_box(Amount::Notional(notional)))));
    });
    // A cent less than ten levels, so that the last of them has to be divided.
    let less = notional - Decimal::new(1, 2);
    group.bench_function("fill_notional_in_the_10th_level", |bencher| {
        bencher.iter(|| {
            let fill = fill(black_box(Amount::Notional(less)));
            assert!(fill.levels == 10 && fill.notional <= less);
            fill
        });
    });
    group.bench_function("average_price", |bencher| {
        let fill = fill(Amount::Size(size));
        bencher.iter(|| black_box(fill).average_price());
    });

    let bps = Decimal::from(50);
    let within = |book: &Book| {
        book.depth_within(Side::Ask, bps, Reference::Mid).expect("decimals hold it").expect("a mid")
    };
    let levels = within(&book).levels;
    assert_eq!(best_asks(&book, levels), (within(&book).size, within(&book).notional));
    group.bench_function(format!("depth_within_50_bps_{levels}_levels"), |bencher| {
        bencher.iter(|| assert_eq!(within(black_box(&book)).levels, levels));
    });
    group.bench_function("imbalance_of_10_levels", |bencher| {
        bencher.iter(|| black_box(&book).imbalance(Band::Levels(10)));
    });
    group.bench_function("20_rows_of_10_dollars", |bencher| {
        bencher.iter(|| {
            let rows = rows_of(black_box(&book), Decimal::TEN);
            assert_eq!(rows.map(black_box).count(), 20);
        });
        assert!(rows_of(&book, Decimal::TEN).all(|row| row.price % Decimal::TEN == Decimal::ZERO));
    });
    group.finish();
    criterion.final_summary();
}
