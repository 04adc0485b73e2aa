//! The feed against a simulated exchange on loopback that does everything wrong.

use std::time::Duration;

use level2::ProductId;
use level2::feed::Feed;
use level2::session::{Cause, Disconnect, Resync, SessionEvent};
use level2_sim::{FaultPlan, FaultRates, Server, ServerConfig};

use crate::support::*;

/// Drives a feed through faults until it has healed from enough of them, checking after every
/// event that readers see the truth or nothing; then lets the faults stop, and compares whole
/// books.
async fn survive(resync: Resync, rates: FaultRates, seed: u64, losses_wanted: usize) -> Server {
    println!("seed {seed}, {resync:?}, {rates:?}");
    let exchange = busy_exchange(seed);
    let server = start(ServerConfig { exchange, ..ServerConfig::default() }).await;
    let mut config = config(server.url());
    config.policy.resync = resync;
    let mut feed = Feed::new(config).unwrap();
    feed.synced().await.unwrap();
    server.set_faults(FaultPlan::new(seed, rates));

    let mut losses = 0;
    while losses < losses_wanted {
        let event = next(&mut feed).await;
        if let SessionEvent::Lost { product, .. } = &event {
            losses += 1;
            let is_live_again = feed.session().book(product.as_str()).is_ok();
            let reader = feed.bbo(product.as_str()).unwrap();
            assert_eq!(reader.load().is_some(), is_live_again, "{event:?}");
        }
        assert_readers_see_the_truth(&feed, &server);
    }
    server.set_faults(FaultPlan::none());
    // A stalled connection stays stalled; the feed has to notice by itself.
    assert_books_become_equal(&mut feed, &server).await;
    assert_readers_see_the_truth(&feed, &server);
    println!("{:?}\n{:?}", server.fault_counts(), feed.session().stats());
    server
}

fn all_kinds() -> FaultRates {
    FaultRates {
        drop_ppm: 3_000,
        duplicate_ppm: 10_000,
        reorder_ppm: 3_000,
        garble_ppm: 3_000,
        truncate_ppm: 3_000,
        abort_ppm: 1_000,
        stall_ppm: 500,
        reset_ppm: 1_000,
        ..FaultRates::default()
    }
}

#[tokio::test]
async fn every_kind_of_fault_at_once_is_healed_by_reconnecting() {
    let server = survive(Resync::Reconnect, all_kinds(), 1, 60).await;
    assert!(server.fault_counts().faults() > 10);
}

#[tokio::test]
async fn every_kind_of_fault_at_once_is_healed_by_resubscribing() {
    let server = survive(Resync::Resubscribe, all_kinds(), 2, 60).await;
    assert!(server.fault_counts().faults() > 10);
}

/// Each kind alone, so that none hides behind another; with the cause that names it.
#[tokio::test]
async fn each_kind_of_fault_alone_is_noticed_and_healed() {
    let none = FaultRates::default();
    for (rates, seed) in [
        (FaultRates { drop_ppm: 20_000, ..none }, 11),
        (FaultRates { reorder_ppm: 20_000, ..none }, 12),
        (FaultRates { garble_ppm: 20_000, ..none }, 13),
        (FaultRates { truncate_ppm: 20_000, ..none }, 14),
        (FaultRates { abort_ppm: 20_000, ..none }, 15),
        (FaultRates { reset_ppm: 20_000, ..none }, 16),
    ] {
        for resync in [Resync::Reconnect, Resync::Resubscribe] {
            let server = survive(resync, rates, seed, 6).await;
            assert!(server.fault_counts().faults() > 0, "{rates:?}");
        }
    }
}

#[tokio::test]
async fn duplicates_are_counted_and_lose_nothing() {
    let server = start(ServerConfig { exchange: busy_exchange(3), ..Default::default() }).await;
    let mut feed = Feed::new(config(server.url())).unwrap();
    feed.synced().await.unwrap();
    server.set_faults(FaultPlan::new(
        3,
        FaultRates { duplicate_ppm: 300_000, ..FaultRates::default() },
    ));
    while feed.session().stats().duplicates < 50 {
        let event = next(&mut feed).await;
        assert!(!matches!(event, SessionEvent::Lost { .. }), "{event:?}");
        assert_readers_see_the_truth(&feed, &server);
    }
    assert_books_become_equal(&mut feed, &server).await;
    assert_eq!(feed.session().stats().resyncs, 0);
}

#[tokio::test]
async fn a_gap_is_one_loss_of_every_book_and_heals_alone() {
    let server = start(ServerConfig { exchange: busy_exchange(4), ..Default::default() }).await;
    let mut feed = Feed::new(config(server.url())).unwrap();
    feed.synced().await.unwrap();
    let connection = server.newest_connection().unwrap();
    server.with_exchange(|exchange| exchange.drop_next(connection));

    let mut lost: Vec<(ProductId, Cause)> = Vec::new();
    loop {
        match next(&mut feed).await {
            SessionEvent::Lost { product, cause } => lost.push((product, cause)),
            SessionEvent::Disconnected { reason } => {
                assert_eq!(reason, Disconnect::ForResync(Cause::Gap));
                break;
            }
            _ => assert!(lost.is_empty(), "nothing comes between the losses of one gap"),
        }
    }
    assert_eq!(lost, PRODUCTS.map(|name| (product(name), Cause::Gap)));
    assert!(PRODUCTS.iter().all(|name| feed.bbo(name).unwrap().load().is_none()));
    feed.synced().await.unwrap();
    assert_books_become_equal(&mut feed, &server).await;
    let stats = feed.session().stats();
    assert_eq!((stats.gaps, stats.reconnects, stats.resyncs), (1, 1, 3));
}

#[tokio::test]
async fn a_stalled_connection_is_given_up_after_the_idle_timeout() {
    let server = start(ServerConfig { exchange: busy_exchange(5), ..Default::default() }).await;
    let mut feed = Feed::new(config(server.url())).unwrap();
    feed.synced().await.unwrap();
    server.set_faults(FaultPlan::new(
        5,
        FaultRates { stall_ppm: 1_000_000, ..FaultRates::default() },
    ));
    let reason = loop {
        if let SessionEvent::Disconnected { reason } = next(&mut feed).await {
            break reason;
        }
    };
    assert_eq!(reason, Disconnect::Idle(Duration::from_millis(500)));
    assert!(PRODUCTS.iter().all(|name| feed.bbo(name).unwrap().load().is_none()));
    server.set_faults(FaultPlan::none());
    feed.synced().await.unwrap();
    assert_books_become_equal(&mut feed, &server).await;
}

#[tokio::test]
async fn dropping_or_closing_the_feed_withdraws_its_books() {
    let server = start(ServerConfig { exchange: busy_exchange(6), ..Default::default() }).await;
    for closes in [true, false] {
        let mut feed = Feed::new(config(server.url())).unwrap();
        feed.synced().await.unwrap();
        let reader = feed.bbo("BTC-USD").unwrap();
        assert!(reader.load().unwrap().received_at.is_some());
        if closes {
            feed.close().await;
        } else {
            drop(feed);
        }
        assert!(reader.load().is_none());
    }
}

/// The feed's future is dropped at thousands of places; nothing is lost, begun twice or stuck.
#[tokio::test]
async fn cancelling_next_thousands_of_times_loses_nothing() {
    let server = start(ServerConfig { exchange: busy_exchange(8), ..Default::default() }).await;
    let mut feed = Feed::new(config(server.url())).unwrap();
    let (mut cancelled, mut events) = (0, 0);
    let mut drops_left = 3;
    while cancelled < 5_000 || events < 1_000 {
        tokio::select! {
            biased;
            event = feed.next() => {
                events += 1;
                let event = event.unwrap();
                assert!(!matches!(event, SessionEvent::Missed { .. }), "{event:?}");
            }
            () = tokio::task::yield_now() => cancelled += 1,
        }
        assert_readers_see_the_truth(&feed, &server);
        if drops_left > 0 && events > 250 * (4 - drops_left) && feed.session().is_synced() {
            drops_left -= 1;
            server.with_exchange(|exchange| {
                let newest = exchange.newest_connection().expect("the feed is synced");
                exchange.drop_next(newest);
            });
        }
    }
    assert_books_become_equal(&mut feed, &server).await;
    let stats = feed.session().stats();
    assert_eq!((stats.gaps, stats.reconnects), (3, 3));
    assert_eq!(server.connections().accepted, 4, "a cancelled dial goes on, not anew");
}
