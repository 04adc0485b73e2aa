//! A warm update allocates nothing: not in the parser, the book, the session or its events.
//!
//! The allocator of this test binary counts what each thread asks of it.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use level2::book::depth::{Amount, DepthError, Fill, Taker};
use level2::session::{Input, Output, Session, SessionConfig};
use level2::{Depth, Side};
use rust_decimal::Decimal;

thread_local! {
    // Tests run side by side, so each thread has a count of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn count() {
        // The memory of a thread that ends is gone before its last frees; they count nowhere.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    }
}

// SAFETY: Every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: The caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: As above; the memory came from the same allocator.
        unsafe { System.realloc(memory, layout, new_size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: As above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations_in(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// How many levels a side of the book holds.
const LEVELS: u64 = 200;
/// How many levels a frame changes: far more than the usual two to sixteen.
const CHANGES: u64 = 60;

fn frame(channel: &str, sequence: u64, event: &str) -> Vec<u8> {
    format!(
        "{{\"channel\":\"{channel}\",\"timestamp\":\"2026-11-02T00:00:00.05Z\",\
         \"sequence_num\":{sequence},\"events\":[{event}]}}"
    )
    .into_bytes()
}

fn event(kind: &str, levels: impl Iterator<Item = (&'static str, u64, u64)>) -> String {
    let levels: Vec<String> = levels
        .map(|(side, price, size)| {
            format!(
                "{{\"side\":\"{side}\",\"event_time\":\"2026-11-02T00:00:00.000001Z\",\
                 \"price_level\":\"{}.{:02}\",\"new_quantity\":\"{size}\"}}",
                price / 100,
                price % 100
            )
        })
        .collect();
    let levels = levels.join(",");
    format!("{{\"type\":\"{kind}\",\"product_id\":\"BTC-USD\",\"updates\":[{levels}]}}")
}

/// The levels of one side, `offset` ticks beside those of the snapshot.
fn bids(count: u64, offset: u64, size: u64) -> impl Iterator<Item = (&'static str, u64, u64)> {
    (0..count).map(move |rank| ("bid", 500_000 - rank * 3 - offset, size))
}

fn asks(count: u64, offset: u64, size: u64) -> impl Iterator<Item = (&'static str, u64, u64)> {
    (0..count).map(move |rank| ("offer", 500_001 + rank * 3 + offset, size))
}

struct Harness {
    session: Session,
    now: Instant,
    sequence: u64,
}

impl Harness {
    fn new() -> Self {
        let now = Instant::now();
        let config = SessionConfig::new(["BTC-USD".parse().unwrap()]);
        // Numbers of equal length: a frame longer than any before it may cost memory once.
        let sequence = 100_000;
        let mut harness = Self { session: Session::new(config, now), now, sequence };
        harness.drain();
        harness.session.handle(now, Input::Opened);
        harness.drain();
        let levels = bids(LEVELS, 0, 1).chain(asks(LEVELS, 0, 1));
        harness.handle("l2_data", &event("snapshot", levels));
        assert!(harness.session.is_synced());
        harness
    }

    fn drain(&mut self) {
        while !matches!(self.session.poll(self.now), Output::Wait(_)) {}
    }

    /// Hands in a frame and polls until there is nothing to do; says how often that allocated.
    fn handle(&mut self, channel: &str, event: &str) -> u64 {
        let text = frame(channel, self.sequence, event);
        self.sequence += 1;
        self.now += Duration::from_millis(50);
        allocations_in(|| {
            self.session.handle(self.now, Input::Message(&text));
            self.drain();
        })
    }

    fn update(&mut self, levels: impl Iterator<Item = (&'static str, u64, u64)>) -> u64 {
        let before = *self.session.stats();
        let allocations = self.handle("l2_data", &event("update", levels));
        let stats = self.session.stats();
        assert!(stats.updates > before.updates, "the frame was not applied");
        assert_eq!(stats.orphan_deletes, before.orphan_deletes);
        assert!(self.session.is_synced());
        allocations
    }

    fn resize(&mut self, size: u64) -> u64 {
        self.update(bids(CHANGES, 0, size).chain(asks(CHANGES, 0, size)))
    }
}

const HEARTBEAT: &str = concat!(
    r#"{"current_time":"2026-11-02 00:00:00.5 +0000 UTC m=+12240.2","#,
    r#""heartbeat_counter":12240}"#
);

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_in(|| drop(std::hint::black_box(Box::new(7)))), 1);
    assert_eq!(allocations_in(|| drop(std::hint::black_box(Vec::<u64>::new()))), 0);
}

#[test]
fn resizing_levels_allocates_nothing() {
    let mut harness = Harness::new();
    harness.resize(2);
    for size in 3..500 {
        assert_eq!(harness.resize(size), 0, "at size {size}");
    }
}

#[test]
fn deleting_levels_that_are_not_held_allocates_nothing() {
    let mut harness = Harness::new();
    harness.resize(2);
    // The venue does so with levels that came and went within 50 ms: beyond the touch, between
    // levels and far behind them.
    for price in [500_050, 499_999, 300_001] {
        let before = harness.session.stats().orphan_deletes;
        let levels = (0..CHANGES).map(|rank| ("bid", price - price % 3 + 3 * rank, 0));
        assert_eq!(harness.handle("l2_data", &event("update", levels)), 0, "from {price} on");
        assert_eq!(harness.session.stats().orphan_deletes, before + CHANGES);
    }
}

#[test]
fn collecting_what_changed_allocates_nothing_once_warm() {
    let mut harness = Harness::new();
    harness.session.collect_changes(true);
    harness.resize(2);
    for size in 3..100 {
        assert_eq!(harness.resize(size), 0, "at size {size}");
        let count = || harness.session.changes("BTC-USD").unwrap().count() as u64;
        assert_eq!(allocations_in(|| assert_eq!(count(), 2 * CHANGES)), 0);
    }
}

#[test]
fn heartbeats_unknown_channels_and_duplicates_allocate_nothing() {
    let mut harness = Harness::new();
    harness.resize(2);
    // Once each, for the memory of the parser of unusual forms.
    harness.handle("heartbeats", HEARTBEAT);
    harness.handle("candles", "{\"candles\":[]}");
    for size in 3..100 {
        assert_eq!(harness.handle("heartbeats", HEARTBEAT), 0);
        assert_eq!(harness.handle("candles", "{\"candles\":[]}"), 0);
        harness.sequence -= 1;
        assert_eq!(harness.handle("candles", "{}"), 0, "a duplicate");
        assert_eq!(harness.resize(size), 0);
    }
}

#[test]
fn reading_the_best_bid_and_ask_allocates_nothing() {
    let harness = Harness::new();
    let reader = harness.session.bbo("BTC-USD").unwrap();
    assert_eq!(allocations_in(|| assert!(reader.load().is_some())), 0);
    let book = harness.session.book("BTC-USD").unwrap();
    let sum = || assert_eq!(book.bids().chain(book.asks()).count() as u64, 2 * LEVELS);
    assert_eq!(allocations_in(sum), 0);
}

#[test]
fn asking_a_book_allocates_nothing() {
    let harness = Harness::new();
    let book = harness.session.book("BTC-USD").unwrap();
    let everything = Amount::Size(Decimal::MAX);
    let ask = |book: &dyn Fn(Taker) -> Result<Fill, DepthError>| {
        let levels = book(Taker::Sell).unwrap().levels + book(Taker::Buy).unwrap().levels;
        assert_eq!(levels as u64, 2 * LEVELS);
    };
    assert_eq!(allocations_in(|| ask(&|taker| book.fill(taker, everything))), 0);
    let others = book.without_own(|_, _| Decimal::ZERO);
    assert_eq!(allocations_in(|| ask(&|taker| others.fill(taker, everything))), 0);
    let rows = || assert!(book.grouped(Side::Ask, Decimal::TEN).unwrap().count() > 0);
    assert_eq!(allocations_in(rows), 0);
    assert_eq!(allocations_in(|| assert!(book.spread_bps().unwrap().is_some())), 0);
}

/// Levels that come and go cost what nodes of the tree cost, and nothing beside.
#[test]
fn levels_that_come_and_go_allocate_only_nodes_of_the_tree() {
    let mut harness = Harness::new();
    harness.resize(2);
    let (mut came, mut went, mut most) = (0, 0, 0);
    const ROUNDS: u64 = 200;
    for _ in 0..ROUNDS {
        let inserted = harness.update(bids(CHANGES, 1, 1).chain(asks(CHANGES, 1, 1)));
        let removed = harness.update(bids(CHANGES, 1, 0).chain(asks(CHANGES, 1, 0)));
        came += inserted;
        went += removed;
        most = most.max(inserted);
    }
    let levels = ROUNDS * CHANGES * 2;
    println!("{came} allocations for {levels} inserted levels, {went} for as many removed ones");
    assert_eq!(went, 0, "removing a level allocates nothing");
    // A node holds at least five levels after a split.
    assert!(most <= CHANGES * 2 / 5 + 2, "{most} for {} levels", CHANGES * 2);
}
