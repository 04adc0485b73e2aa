//! `Books` hold as much after thousands of changes of mind as before, also beside a consumer of
//! events that never reads.
//!
//! The allocator of this test binary counts what is held.
#![cfg(all(feature = "feed", feature = "sim"))]
#![allow(unsafe_code)]

#[path = "support/many.rs"]
mod many;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use level2::books::{Books, Event, EventConfig, Wakes};
use level2::sim::ExchangeConfig;

use self::many::*;

static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: Every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: The caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: As above; the memory came from the same allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Changes its mind a thousand times, and ends with the even products live.
async fn change_minds(books: &Books, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..1_000 {
        let product = name(rng.usize(0..40));
        if !books.unsubscribe(&product) {
            books.subscribe(product).unwrap();
        }
        if rng.usize(0..4) == 0 {
            tokio::time::sleep(Duration::from_millis(rng.u64(0..100))).await;
        }
    }
    for number in 0..40 {
        match number % 2 {
            0 => books.subscribe(name(number)).unwrap(),
            _ => drop(books.unsubscribe(&name(number))),
        }
    }
    soon(books.synced()).await.unwrap();
    // What has ended says goodbye.
    tokio::time::sleep(Duration::from_secs(5)).await;
}

/// One test, for the count is of the whole process.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_what_has_gone() {
    let served = ExchangeConfig { truth_frames_max: 1, ..exchange(40) };
    let server = serve(served).await;
    let mut config = config([]);
    config.products_per_connection = 5;
    let books = connect(config, &Memory::new(&server)).await;
    let held = || HELD.load(Ordering::Relaxed);

    // The first rounds fill the buffers of the exchange and of both ends of its connections.
    let mut after = Vec::new();
    for seed in 0..6 {
        change_minds(&books, seed).await;
        after.push(held() / 1_024);
    }
    println!("{after:?} KiB after each thousand of changes");
    let (first, last) = (after[1], after[5]);
    assert!(last < first + first / 4, "{first} KiB have become {last}");

    let mut stuck = books.events(EventConfig::new(Wakes::Levels));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = held();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let grown = held().saturating_sub(before) / 1_024;
    println!("{grown} KiB more in a minute beside a consumer that does not read");
    assert!(grown < 512, "{grown} KiB");
    assert!(matches!(stuck.try_next(), Some(Event::Missed { count }) if count > 10_000));
}
