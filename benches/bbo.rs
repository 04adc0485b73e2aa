//! The best bid and ask: what reading and publishing cost, beside an idle writer and a hot one,
//! and how long a frame of twelve changes takes until its best is published.

mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use hdrhistogram::Histogram;
use level2::bbo::BboReader;
use level2::book::{Book, Fixed, Side};
use level2::internal::{BboPublisher, FrameOrigin, bbo_channel, tops};
use level2::wire::UnixNanos;
use support::changes::{Cycle, places_of};
use support::ladder_pair::LadderPair;
use support::level2_stack::Level2;
use support::twelve::{self, EndlessFrames};
use support::{mode, recording};

/// How many levels the book has that the frames change.
const LEVELS: usize = 45_000;

/// Publications go round this many books, each with another best, so that a mix of two shows.
const BOOKS: u64 = 8;

fn number(value: u64) -> Fixed {
    Fixed::parse(value.to_string().as_bytes()).expect("digits are a number")
}

/// Returns the books that are published in turn. Book `k` has the best bid `2k` and the best ask
/// `2k + 1`, each of the size of its price.
fn books() -> Vec<Book> {
    let book = |index: u64| {
        let mut book = Book::new();
        for (side, price) in [(Side::Bid, 2 * index), (Side::Ask, 2 * index + 1)] {
            book.set(side, number(price), number(price + 1)).expect("the book has room");
        }
        book
    };
    (0..BOOKS).map(book).collect()
}

fn publish(publisher: &mut BboPublisher, books: &[Book], sequence: u64, received: Instant) {
    let book = &books[(sequence % BOOKS) as usize];
    let event_time = Some(UnixNanos::new(sequence));
    publisher.publish(&tops(book), FrameOrigin { sequence, connection: 0, event_time, received });
}

/// Runs `work` beside a thread that publishes again after each pause. With one core for both, the
/// writer gets its turns from the scheduler.
fn beside_writer(mut publisher: BboPublisher, pause: Duration, work: impl FnOnce()) {
    /// Ends the writer also when `work` panics, or its thread would be waited for without end.
    struct Stop<'a>(&'a AtomicBool);

    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let is_done = AtomicBool::new(false);
    let (books, received) = (books(), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sequence = 1;
            while !is_done.load(Ordering::Relaxed) {
                publish(&mut publisher, &books, sequence, received);
                sequence += 1;
                if !pause.is_zero() {
                    let published = Instant::now();
                    while published.elapsed() < pause {
                        std::hint::spin_loop();
                    }
                }
            }
        });
        let _stop = Stop(&is_done);
        work();
    });
}

/// Loads and panics at a torn publication, or at one older than the last.
fn assert_reads_are_whole(reader: &BboReader, loads: usize) {
    let mut last = 0;
    for _ in 0..loads {
        let bbo = reader.load().expect("the writer never withdraws");
        assert!(bbo.sequence >= last, "{} after {last}", bbo.sequence);
        last = bbo.sequence;
        let bid = 2 * (bbo.sequence % BOOKS);
        let tops = [(bbo.bid, bid), (bbo.ask, bid + 1)];
        for (level, price) in tops {
            let level = level.expect("both sides hold a level");
            assert_eq!((level.price, level.size), (price.into(), (price + 1).into()));
        }
        assert_eq!(bbo.event_time, Some(UnixNanos::new(bbo.sequence)));
    }
}

fn bench_load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bbo");
    group.throughput(Throughput::Elements(1));
    let begin = || {
        let (mut publisher, reader) = bbo_channel(Instant::now().into());
        publish(&mut publisher, &books(), 0, Instant::now());
        (publisher, reader)
    };
    group.bench_function("load_beside_idle_writer", |bencher| {
        let (_publisher, reader) = begin();
        assert_reads_are_whole(&reader, 100);
        // The whole value is made, but not moved once more, as it would be if it was returned.
        bencher.iter(|| {
            black_box(black_box(&reader).load());
        });
    });
    // A frame takes longer than a microsecond to read and apply, so no feed publishes more often
    // for long; without any pause the writer does nothing but overwrite what readers look at.
    let pauses = [
        ("load_beside_writer_each_microsecond", Duration::from_micros(1)),
        ("load_beside_writer_without_pause", Duration::ZERO),
    ];
    for (name, pause) in pauses {
        group.bench_function(name, |bencher| {
            let (publisher, reader) = begin();
            beside_writer(publisher, pause, || {
                let mut last = 0;
                bencher.iter(|| {
                    let bbo = black_box(&reader).load().expect("the writer never withdraws");
                    assert!(bbo.sequence >= last, "{} after {last}", bbo.sequence);
                    last = bbo.sequence;
                    bbo
                });
                assert_reads_are_whole(&reader, if mode::is_test() { 10_000 } else { 1_000_000 });
            });
        });
    }
    group.finish();
}

fn bench_publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bbo");
    group.throughput(Throughput::Elements(1));
    group.bench_function("publish", |bencher| {
        let received = Instant::now();
        let (mut publisher, reader) = bbo_channel(received.into());
        let (books, mut sequence) = (books(), 0);
        bencher.iter(|| {
            publish(&mut publisher, black_box(&books), sequence, received);
            sequence += 1;
        });
        assert_reads_are_whole(&reader, 1);
        let bbo = reader.load().expect("nothing withdraws it");
        assert_eq!(bbo.sequence + 1, sequence);
    });
    group.finish();
}

/// Takes the time of every frame of twelve changes by itself, and of as many empty spans.
fn print_latency(cycle: &Cycle) {
    let samples = if mode::is_test() { 1 } else { 1_000_000 };
    let mut frames = EndlessFrames::of(cycle);
    // Whole rounds, at least one, so that the book ends as it began.
    let rounds = usize::div_ceil(samples, frames.len());
    let mut stack = Level2::new();
    stack.take_one(&frames.snapshot);
    for _ in 0..frames.len() {
        stack.take_one(frames.next());
    }
    let mut of_frames = histogram();
    let mut of_nothing = histogram();
    for _ in 0..rounds * frames.len() {
        let frame = black_box(frames.next());
        let start = Instant::now();
        stack.take_one(frame);
        record(&mut of_frames, start);
        let start = Instant::now();
        record(&mut of_nothing, start);
    }
    let of_spins = time_spins(of_frames.len(), of_frames.value_at_quantile(0.5));
    let session = stack.session();
    let updates = (rounds + 1) * frames.len() * twelve::CHANGES;
    assert_eq!(session.stats().updates, updates as u64);
    cycle.start.assert_held_by(session.book("BTC-USD").expect("the book stayed live"));
    let best = session.bbo("BTC-USD").ok().and_then(|reader| reader.load()).map(|bbo| bbo.bid);
    assert_eq!(best, session.book("BTC-USD").ok().map(Book::best_bid));

    println!(
        "latency in ns            p50      p99    p99.9      max  ({} samples)",
        of_frames.len()
    );
    print_row("frame of 12 changes", &of_frames);
    print_row("empty timing loop", &of_nothing);
    print_row("idle spin as long", &of_spins);
}

/// Takes the time of spans that do nothing but count, each about as long as a frame takes: what
/// the machine itself adds to a span of that length.
fn time_spins(samples: u64, nanos: u64) -> Histogram<u64> {
    const CALIBRATION: u64 = 10_000_000;

    let spin = |count: u64| {
        for turn in 0..count {
            black_box(turn);
        }
    };
    let start = Instant::now();
    spin(CALIBRATION);
    let nanos_of_calibration = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let count = nanos.saturating_mul(CALIBRATION) / nanos_of_calibration.max(1);
    let mut histogram = histogram();
    for _ in 0..samples {
        let start = Instant::now();
        spin(count);
        record(&mut histogram, start);
    }
    histogram
}

/// Three digits are kept of times up to a second.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 1_000_000_000, 3).expect("the bounds are sound")
}

fn record(histogram: &mut Histogram<u64>, start: Instant) {
    let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    histogram.saturating_record(nanos.max(1));
}

fn print_row(name: &str, histogram: &Histogram<u64>) {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| histogram.value_at_quantile(quantile));
    println!("{name:<21} {p50:>6} {p99:>8} {p999:>8} {:>8}", histogram.max());
}

fn main() {
    let mut criterion = mode::criterion();
    bench_load(&mut criterion);
    bench_publish(&mut criterion);
    criterion.final_summary();

    let recording = recording::fixture(recording::BTC_USD);
    let places = places_of(&recording, LEVELS);
    let start = LadderPair::of_snapshot(&recording[0], LEVELS);
    // So many frames there and as many back: nearly all changes of the recording.
    let changes = 1_300 * twelve::CHANGES;
    print_latency(&Cycle::at_places(start, places.into_iter().take(changes)));
}
