//! The whole path, from the text of a frame to the published best bid and ask, against the rival
//! stacks on the same frames in the same run.
//!
//! `LEVEL2_FRAMES=file.jsonl[.gz] cargo bench -p level2 --bench path` adds a recording of your own,
//! of one connection without gaps. The last lines compare all stacks in interleaved rounds.

mod support;

use std::time::Duration;

use criterion::{BatchSize, Bencher, BenchmarkId, Criterion, Throughput};
use support::level2_stack::Level2;
use support::rounds::{Medians, compare};
use support::stack::{Contender, Stack, assert_equal_books};
use support::stream::Stream;
use support::{many_products, mode, recording, rivals};

/// In the order of the plain line at the end.
const CONTENDERS: [Contender; 6] = [
    Contender { name: "level2", start: Level2::boxed },
    rivals::SERDE_JSON,
    rivals::SERDE_JSON_BORROWED,
    rivals::SONIC_RS,
    rivals::SIMD_JSON,
    rivals::FLOOR,
];

/// How many rounds the comparison has.
const ROUNDS: usize = 41;

/// How many levels the streams of the curve over products hold, whatever their number.
const CURVE_LEVELS: usize = 60_000;

fn streams() -> Vec<Stream> {
    let three_products = recording::fixture(recording::THREE_PRODUCTS);
    let ten_products = many_products::derive(&three_products, 10, usize::MAX);
    let mut streams = vec![
        Stream::new("btc_usd_45k", recording::fixture(recording::BTC_USD)),
        Stream::new("ten_products", ten_products),
    ];
    streams.extend(recording::of_user().map(|(name, frames)| Stream::new(name, frames)));
    streams
}

/// Every stack on the updates of a stream, its books live and warm.
fn bench_updates(criterion: &mut Criterion, stream: &Stream) {
    let mut group = criterion.benchmark_group("path_updates");
    group.throughput(Throughput::Elements(stream.update_levels));
    for contender in CONTENDERS {
        group.bench_function(BenchmarkId::new(contender.name, &stream.name), |bencher| {
            measure_updates(bencher, contender.start, stream);
        });
    }
    group.finish();
}

/// Measures one stack on the updates of a stream, its books live and warm.
fn measure_updates(bencher: &mut Bencher<'_>, start: fn() -> Box<dyn Stack>, stream: &Stream) {
    let live = || {
        let mut stack = start();
        stack.take(stream.prelude());
        stack.take(stream.warm_up());
        stack
    };
    let updated = |mut stack: Box<dyn Stack>| {
        stack.take(stream.updates());
        stack
    };
    bencher.iter_batched(live, updated, BatchSize::PerIteration);
}

/// Every stack from the first byte of the snapshots to the best bid and ask of the last.
fn bench_snapshots(criterion: &mut Criterion, stream: &Stream) {
    let mut group = criterion.benchmark_group("path_snapshot");
    group.throughput(Throughput::Elements(stream.snapshot_levels));
    for contender in CONTENDERS {
        group.bench_function(BenchmarkId::new(contender.name, &stream.name), |bencher| {
            let synced = |mut stack: Box<dyn Stack>| {
                stack.take(stream.prelude());
                stack
            };
            bencher.iter_batched(contender.start, synced, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// What a level costs as products share one connection: the turns are as many as keep the number
/// of levels.
fn bench_products(criterion: &mut Criterion) {
    let three_products = recording::fixture(recording::THREE_PRODUCTS);
    let mut group = criterion.benchmark_group("path_products");
    for count in [1, 3, 10, 50, 100, 500] {
        // A frame of the recording holds some ten levels.
        let turns = (CURVE_LEVELS / 10 / count).max(4);
        let frames = many_products::derive(&three_products, count, turns);
        let stream = Stream::new(format!("{count}_products"), frames);
        group.throughput(Throughput::Elements(stream.update_levels));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            measure_updates(bencher, Level2::boxed, &stream);
        });
        let contenders = [CONTENDERS[0].clone(), rivals::SONIC_RS];
        assert_equal_books(&contenders, stream.frames());
    }
    group.finish();
}

/// Compares all stacks in rounds and prints what came of it in plain lines.
fn print_comparison(stream: &Stream, rounds: usize) {
    let medians = compare(&CONTENDERS, stream, rounds);
    let updates = per_level(&medians, |median| median.updates, stream.update_levels);
    let snapshots = per_level(&medians, |median| median.snapshot, stream.snapshot_levels);
    println!();
    println!("path: {} updates: {}", stream.name, plain_line(updates));
    println!("path: {} snapshot to first BBO: {}", stream.name, plain_line(snapshots));
}

/// Returns the times of the contenders in nanoseconds a level.
fn per_level(
    medians: &[Medians],
    time: impl Fn(&Medians) -> Duration,
    levels: u64,
) -> [f64; CONTENDERS.len()] {
    let nanos = |index: usize| time(&medians[index]).as_nanos() as f64;
    std::array::from_fn(|index| nanos(index) / levels.max(1) as f64)
}

fn plain_line([level2, a, a2, b1, b2, floor]: [f64; CONTENDERS.len()]) -> String {
    format!(
        "{level2:.1} ns/level, {:.1} x faster than a, {:.1} x faster than the best of b, {:.1} x \
         the floor (a {a:.0}, a2 {a2:.0}, b1 {b1:.0}, b2 {b2:.0}, floor {floor:.1} ns/level)",
        a / level2,
        b1.min(b2) / level2,
        level2 / floor,
    )
}

fn main() {
    let streams = streams();
    for stream in &streams {
        assert_equal_books(&CONTENDERS, stream.frames());
    }
    let mut criterion = mode::criterion().sample_size(20);
    for stream in &streams {
        bench_updates(&mut criterion, stream);
    }
    bench_snapshots(&mut criterion, &streams[0]);
    bench_products(&mut criterion);
    criterion.final_summary();
    let rounds = if mode::is_test() { 1 } else { ROUNDS };
    for stream in &streams {
        print_comparison(stream, rounds);
    }
    println!(
        "\na: serde_json, owned structs, rust_decimal, BTreeMap; a2: the same with borrowed text; \
         b1: sonic-rs, b2: simd-json, each with borrowed structs and integer BTreeMaps; the floor: \
         memchr counting quotes. Medians of interleaved rounds: {rounds}."
    );
}
