//! Keeping a book: changes at every kind of place, loading a snapshot, and reading.

mod support;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use level2::book::{Book, MAX_LEVELS_PER_SIDE, SetOutcome, Side, Snapshot};
use rust_decimal::Decimal;
use support::changes::{BookChange, Cycle, Place, places_of};
use support::ladder_pair::{Kind, LadderPair};
use support::{mode, recording};

/// How many levels the book of the recording has.
const LEVELS: usize = 45_000;

/// How many changes lead away from a book before as many lead back: nearly all of the recording's.
///
/// A cycle of a few thousand is learnt by the processor's branch predictor, which then knows in
/// advance what each change does, and a change seems to cost half of what it does in traffic.
const CHANGES: usize = 15_000;

fn set(book: &mut Book, change: &BookChange) -> SetOutcome {
    book.set(change.side, change.price, change.size).expect("the book has room")
}

/// Goes round the cycle on a warm book, which ends each round as it began.
fn bench_cycle(criterion: &mut Criterion, id: BenchmarkId, cycle: &Cycle) {
    cycle.assert_round(|book, change| {
        set(book, change);
    });
    let absent = absent_in(cycle);
    let mut group = criterion.benchmark_group("book_set");
    group.throughput(Throughput::Elements(cycle.changes.len() as u64));
    group.bench_function(id, |bencher| {
        let mut book = cycle.start.book();
        bencher.iter(|| {
            let changes = black_box(&cycle.changes).iter();
            let absences = changes.filter(|change| set(&mut book, change) == SetOutcome::Absent);
            assert_eq!(absences.count(), absent);
        });
        cycle.start.assert_held_by(&book);
    });
    group.finish();
}

/// Goes round the cycle on the ordered maps of the standard library, without any of what makes
/// them a book: numbers come as integers, nothing is checked.
fn bench_plain_maps(criterion: &mut Criterion, id: BenchmarkId, cycle: &Cycle) {
    let maps = || {
        let map = |side| cycle.start.side(side).iter().copied().collect::<BTreeMap<i64, u64>>();
        (map(Side::Bid), map(Side::Ask))
    };
    let absent = absent_in(cycle);
    let mut group = criterion.benchmark_group("book_set");
    group.throughput(Throughput::Elements(cycle.changes.len() as u64));
    group.bench_function(id, |bencher| {
        let (mut bids, mut asks) = maps();
        bencher.iter(|| {
            let changes = black_box(&cycle.changes).iter();
            let absences = changes.filter(|change| {
                let map = if change.side == Side::Bid { &mut bids } else { &mut asks };
                if change.units == 0 {
                    return map.remove(&change.key).is_none();
                }
                map.insert(change.key, change.units);
                false
            });
            assert_eq!(absences.count(), absent);
        });
        assert_eq!((bids, asks), maps());
    });
    group.finish();
}

/// Returns how many changes of the cycle remove a level that is not there.
fn absent_in(cycle: &Cycle) -> usize {
    let mut ladders = cycle.start.clone();
    let kinds = cycle.changes.iter().map(|change| {
        let (_, kind) = ladders.set(change.side, change.key, change.units);
        kind
    });
    kinds.filter(|kind| *kind == Kind::Absent).count()
}

fn bench_places(criterion: &mut Criterion, recording: &[String], places: &[Place]) {
    let book = || LadderPair::of_snapshot(&recording[0], LEVELS);
    let moved = |to_rank: fn(usize) -> usize| {
        places.iter().take(CHANGES).map(move |place| Place { rank: to_rank(place.rank), ..*place })
    };
    let touch = Cycle::at_places(book(), moved(|rank| rank % 5));
    bench_cycle(criterion, BenchmarkId::from_parameter("touch"), &touch);
    let deep = Cycle::at_places(book(), moved(|rank| 10_000 + rank * 37 % 10_000));
    bench_cycle(criterion, BenchmarkId::from_parameter("deep"), &deep);
    let churn = places.iter().take(CHANGES).enumerate().map(|(index, place)| {
        let kind = if index % 2 == 0 { Kind::Inserted } else { Kind::Removed };
        Place { kind, ..*place }
    });
    let churn = Cycle::at_places(book(), churn);
    bench_cycle(criterion, BenchmarkId::from_parameter("churn"), &churn);
    let jump = Cycle::market_jump(book());
    bench_cycle(criterion, BenchmarkId::from_parameter("market_jump"), &jump);
}

/// The ranks of the recording on books of any size: what a level costs as a book grows.
fn bench_sizes(criterion: &mut Criterion, recording: &[String], places: &[Place]) {
    for size in [200, 1_000, 5_000, LEVELS] {
        let book = LadderPair::of_snapshot(&recording[0], size);
        let cycle = Cycle::at_places(book, places.iter().take(CHANGES).copied());
        bench_cycle(criterion, BenchmarkId::new("real_ranks", size), &cycle);
        bench_plain_maps(criterion, BenchmarkId::new("real_ranks_plain_btreemap", size), &cycle);
    }
}

/// The mix of the recording about one rank: what a level costs as changes fall deeper.
fn bench_ranks(criterion: &mut Criterion, recording: &[String], places: &[Place]) {
    for rank in [1, 10, 100, 1_000, 10_000] {
        let book = LadderPair::of_snapshot(&recording[0], LEVELS);
        let near = places.iter().take(CHANGES).enumerate().map(|(index, place)| {
            // A quarter of the rank is how far the changes spread, and never fewer than four
            // levels.
            Place { rank: rank + index * 7 % (rank / 4).max(4), ..*place }
        });
        let cycle = Cycle::at_places(book, near);
        bench_cycle(criterion, BenchmarkId::new("at_rank", rank), &cycle);
        bench_plain_maps(criterion, BenchmarkId::new("at_rank_plain_btreemap", rank), &cycle);
    }
}

fn bench_snapshot(criterion: &mut Criterion, ladders: &LadderPair) {
    let levels = ladders.numbers();
    let mut group = criterion.benchmark_group("book_snapshot");
    group.throughput(Throughput::Elements(levels.len() as u64));
    group.bench_function(BenchmarkId::from_parameter(levels.len()), |bencher| {
        let load = |mut book: Book| {
            let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
            for &(side, price, size) in &levels {
                snapshot.push(side, price, size).expect("the book has room");
            }
            book.replace(snapshot);
            book
        };
        ladders.assert_held_by(&load(Book::new()));
        // A live book is replaced, and what dropping it costs belongs to the load.
        bencher.iter_batched(|| ladders.book(), load, BatchSize::PerIteration);
    });
    group.finish();
}

fn bench_reads(criterion: &mut Criterion, ladders: &LadderPair) {
    let book = ladders.book();
    let mut group = criterion.benchmark_group("book_read");
    group.throughput(Throughput::Elements(2));
    group.bench_function("best_bid_and_ask", |bencher| {
        bencher.iter(|| {
            let book = black_box(&book);
            (book.best_bid(), book.best_ask())
        });
        let best = (book.best_bid(), book.best_ask());
        assert_eq!(best, (book.bids().next(), book.asks().next()));
    });
    let sums = |count: usize| {
        let book = black_box(&book);
        let sum = |side| book.levels(side).take(count).map(|level| level.size).sum::<Decimal>();
        (sum(Side::Bid), sum(Side::Ask))
    };
    for (name, count) in [("top_10_sum_of_sizes", 10), ("all_sum_of_sizes", usize::MAX)] {
        let expected = [Side::Bid, Side::Ask].map(|side| {
            let levels = ladders.side(side).iter().take(count);
            let units: u64 = levels.map(|level| level.1).sum();
            Decimal::from_i128_with_scale(units.into(), 8)
        });
        let levels = count.min(LEVELS / 2) as u64;
        group.throughput(Throughput::Elements(2 * levels));
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(<[Decimal; 2]>::from(sums(count)), expected));
        });
    }
    group.bench_function("all_levels", |bencher| {
        bencher.iter(|| {
            let levels = book.bids().chain(book.asks()).map(black_box);
            assert_eq!(levels.count(), LEVELS);
        });
    });
    group.finish();
}

fn main() {
    let recording = recording::fixture(recording::BTC_USD);
    let places = places_of(&recording, LEVELS);
    let mut criterion = mode::criterion();
    bench_places(&mut criterion, &recording, &places);
    bench_sizes(&mut criterion, &recording, &places);
    bench_ranks(&mut criterion, &recording, &places);
    let ladders = LadderPair::of_snapshot(&recording[0], LEVELS);
    bench_snapshot(&mut criterion, &ladders);
    bench_reads(&mut criterion, &ladders);
    criterion.final_summary();
}
