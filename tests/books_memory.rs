//! `Books` hold as much after thousands of changes of mind as before, also beside a consumer of
//! events that never reads.
//!
//! The allocator of this test binary counts what is held.
#![allow(unsafe_code)]

#[path = "support/held.rs"]
mod held;
#[path = "support/many.rs"]
mod many;

use std::time::Duration;

use level2::books::{Books, Event, EventConfig, Interest};
use level2_sim::ExchangeConfig;

use self::held::held;
use self::many::*;

/// Changes its mind a thousand times, and ends with the even products live.
async fn change_minds(books: &Books, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..1_000 {
        let product = name(rng.usize(0..40));
        if books.unsubscribe(&product).is_err() {
            books.subscribe(product).unwrap();
        }
        if rng.usize(0..4) == 0 {
            tokio::time::sleep(Duration::from_millis(rng.u64(0..100))).await;
        }
    }
    for number in 0..40 {
        match number % 2 {
            0 => books.subscribe(name(number)).unwrap(),
            _ => drop(books.unsubscribe(name(number))),
        }
    }
    soon(books.synced()).await.unwrap();
    // What has ended says goodbye.
    tokio::time::sleep(Duration::from_secs(5)).await;
}

/// One test, for the count is of the whole process.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_what_has_gone() {
    let served = ExchangeConfig { max_truth_frames: 1, max_truth_changes: 0, ..exchange(40) };
    let server = serve(served).await;
    let mut config = config([]);
    config.products_per_connection = 5;
    let books = connect(config, &Memory::new(&server)).await;
    let held = || held();

    // The first rounds fill the buffers of the exchange and of both ends of its connections.
    let mut after = Vec::new();
    for seed in 0..6 {
        change_minds(&books, seed).await;
        after.push(held() / 1_024);
    }
    println!("{after:?} KiB after each thousand of changes");
    let (first, last) = (after[1], after[5]);
    assert!(last < first + first / 4, "{first} KiB have become {last}");

    let mut stuck = books.events(EventConfig::new(Interest::Levels));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = held();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let grown = held().saturating_sub(before) / 1_024;
    println!("{grown} KiB more in a minute beside a consumer that does not read");
    assert!(grown < 512, "{grown} KiB");
    assert!(matches!(stuck.try_next(), Some(Event::Missed { count }) if count > 10_000));
}
