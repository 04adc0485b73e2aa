//! Bounds: of requests, products, events, and what is counted.

use std::time::Duration;

use super::harness::*;
use crate::session::{
    MAX_PENDING_EVENTS, MAX_REQUESTS_PER_SECOND, NotLive, Output, SessionConfig, SessionEvent,
    Status, TooManyProducts,
};

#[test]
fn requests_hold_at_most_a_hundred_products() {
    let names: Vec<String> = (0..250).map(|number| format!("P{number}-EUR")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut harness = Harness::new(config(&names));
    harness.open();
    let outputs = harness.drain();
    let counts: Vec<usize> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send(request) => Some(request.products.len()),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [100, 100, 50, 0], "the last is for heartbeats");
}

#[test]
fn no_second_holds_more_than_eight_requests() {
    let mut harness = Harness::live(resubscribing(&[BTC]));
    let mut sent = Vec::new();
    for number in 0..40 {
        // A caller that changes its mind as often as it can, on a connection that loses frames.
        let product = id(&format!("P{}-EUR", number % 3));
        if harness.session.unsubscribe(&product).is_err() {
            harness.session.subscribe(harness.now, product).unwrap();
        }
        for output in harness.drain() {
            if let Output::Send(_) = output {
                sent.push(harness.now);
            }
        }
        harness.now += Duration::from_millis(70);
        if number % 10 == 9 {
            harness.lose_frames(1);
        }
        harness.heartbeat();
    }
    let end = harness.now + 5 * SECOND;
    while harness.now < end {
        match harness.session.poll(harness.now) {
            Output::Send(_) => sent.push(harness.now),
            Output::Wait(until) => harness.now = until.min(end),
            _ => {}
        }
    }
    assert!(sent.len() > 20, "{}", sent.len());
    for window in sent.windows(MAX_REQUESTS_PER_SECOND + 1) {
        assert!(window[MAX_REQUESTS_PER_SECOND] - window[0] >= SECOND);
    }
}

#[test]
fn requests_beyond_the_rate_are_late_and_not_lost() {
    let names: Vec<String> = (0..1_000).map(|number| format!("P{number}-EUR")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut harness = Harness::new(config(&names));
    harness.open();
    assert_eq!(harness.requests().len(), 8);
    let later = requests_of(&harness.advance(SECOND));
    assert_eq!(later.len(), 3);
    assert_eq!(later[2], "subscribe heartbeats");
    let statuses = harness.session.products().map(|product| product.status());
    assert!({ statuses }.all(|status| status == Status::Syncing));
}

#[test]
fn a_session_holds_no_more_products_than_it_may() {
    let mut harness = Harness::new(SessionConfig { max_products: 1, ..config(&[BTC, ETH]) });
    assert_eq!(harness.session.products().count(), 1);
    assert!(harness.events().contains(&SessionEvent::LeftOut { product: id(ETH) }));
    let error = harness.session.subscribe(harness.now, id(ETH)).unwrap_err();
    assert_eq!(error, TooManyProducts { product: id(ETH), max_products: 1 });
    assert_eq!(harness.session.subscribe(harness.now, id(BTC)), Ok(()), "it is there already");
    harness.session.unsubscribe(BTC).unwrap();
    assert_eq!(harness.session.subscribe(harness.now, id(ETH)), Ok(()));
}

#[test]
fn a_subscription_ends_as_soon_as_the_rate_allows_even_if_frames_are_lost() {
    for loses_frames in [false, true] {
        let mut harness = Harness::live(resubscribing(&[BTC]));
        for number in 0..3 {
            let product = id(&format!("P{number}-EUR"));
            harness.session.subscribe(harness.now, product.clone()).unwrap();
            harness.drain();
            harness.session.unsubscribe(&product).unwrap();
            harness.drain();
        }
        assert_eq!(harness.session.stats().requests, 8, "no more within this second");
        harness.session.unsubscribe(BTC).unwrap();
        if loses_frames {
            harness.lose_frames(1);
            harness.heartbeat();
        }
        assert_eq!(harness.requests(), [""; 0]);
        let requests = requests_of(&harness.advance(SECOND));
        assert_eq!(requests, ["unsubscribe level2 BTC-USD"], "frames lost: {loses_frames}");
    }
}

#[test]
fn products_come_and_go_on_the_open_connection() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.session.subscribe(harness.now, id(ETH)).unwrap();
    assert!(!harness.session.is_synced());
    assert_eq!(harness.requests(), ["subscribe level2 ETH-USD"]);
    harness.frame(&[snapshot(ETH, "bid 7 1")]);
    harness.ack(&[BTC, ETH]);
    harness.assert_live(ETH, "7 1 / -");

    let reader = harness.session.bbo(ETH).unwrap();
    harness.session.unsubscribe(ETH).unwrap();
    assert_eq!(reader.load(), None, "withdrawn at once");
    assert!(matches!(harness.session.book(ETH), Err(NotLive::Unknown(_))));
    harness.frame(&[update(ETH, "bid 8 1")]);
    assert_eq!(harness.session.stats().unasked, 1, "an update on its way is no fault");
    assert_eq!(harness.requests(), ["unsubscribe level2 ETH-USD"]);
    harness.ack(&[BTC]);
    assert!(harness.session.is_synced());
    assert!(harness.session.unsubscribe(ETH).is_err(), "it is gone already");
}

#[test]
fn a_product_that_leaves_and_returns_at_once_gets_a_fresh_book() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.session.unsubscribe(BTC).unwrap();
    harness.session.subscribe(harness.now, id(BTC)).unwrap();
    harness.frame(&[update(BTC, "bid 100 5")]);
    assert_eq!(harness.best(BTC), None);
    assert_eq!(harness.requests(), ["unsubscribe level2 BTC-USD", "subscribe level2 BTC-USD"]);
    harness.frame(&[update(BTC, "bid 100 6")]);
    harness.ack(&[ETH]);
    assert_eq!(count_lost(&harness.events(), BTC), 0, "the old stream's end is no fault");
    harness.frame(&[snapshot(BTC, "bid 9 1")]);
    harness.ack(&[BTC, ETH]);
    harness.assert_live(BTC, "9 1 / -");
    harness.assert_live(ETH, "100 1 / 101 2");
}

#[test]
fn a_caller_that_does_not_poll_learns_how_much_it_missed() {
    let mut harness = Harness::live(config(&[BTC]));
    for _ in 0..20_000u32 {
        let size = harness.sequence;
        harness.frame(&[update(BTC, &format!("bid 100 {size}"))]);
    }
    let events = harness.events();
    let missed = 20_000 - MAX_PENDING_EVENTS as u64;
    assert_eq!(events.len(), MAX_PENDING_EVENTS + 1);
    assert_eq!(events.last(), Some(&SessionEvent::Missed { count: missed }));
    assert_eq!(harness.session.stats().missed_events, missed);
    assert_eq!(harness.events(), [], "reported once");
}

#[test]
fn every_message_is_counted_somewhere() {
    let mut harness = Harness::live(config(&[BTC]));
    let before = *harness.session.stats();
    harness.heartbeat();
    harness.error("no");
    let other = numbered("candles", harness.next_number(), "{}");
    harness.message(&other);
    harness.message(&other);
    harness.frame(&[update(BTC, "bid 100 5"), update(ETH, "bid 100 5")]);
    harness.message("?");
    harness.message("late");
    let stats = harness.session.stats();
    assert_eq!(stats.frames - before.frames, 6);
    assert_eq!(stats.late, 1);
    let kinds = [stats.heartbeats, stats.refused, stats.other_channels, stats.duplicates];
    assert_eq!(kinds, [1; 4]);
    assert_eq!((stats.undecodable, stats.unasked), (1, 1));
    assert_eq!(stats.updates - before.updates, 1);
}

#[test]
fn counters_never_fall() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.frame(&[update(BTC, "bid 100 5, bid 1 0")]);
    let before = *harness.session.stats();
    harness.close_by_venue();
    harness.reconnect();
    let after = harness.session.stats();
    assert!(after.frames > before.frames && after.requests > before.requests);
    assert_eq!((after.updates, after.orphan_deletes), (2, 1));
    let of_product = harness.session.product(BTC).unwrap().stats();
    assert_eq!((of_product.updates, of_product.orphan_deletes), (2, 1));
    assert_eq!((of_product.losses, of_product.gaps, of_product.resyncs), (1, 0, 1));
    harness.lose_frames(1);
    harness.heartbeat();
    let of_product = harness.session.product(BTC).unwrap().stats();
    assert_eq!((of_product.losses, of_product.gaps, of_product.resyncs), (2, 1, 1));
}
