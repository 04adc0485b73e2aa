//! Which request an answer of the venue belongs to: it names none, so only their order tells.

use super::harness::*;
use crate::session::{Cause, Disconnect, Output, SessionEvent};

const GONE: &str = "GONE-USD";

/// A session that heals by new subscriptions, with a live product and one that the venue, asked
/// on this connection, does not have.
fn with_unlisted_product(max_resubscribes: u32) -> Harness {
    let config = tuned(resubscribing(&[BTC, GONE]), |policy| {
        policy.max_resubscribes = max_resubscribes;
    });
    let mut harness = Harness::new(config);
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.ack(&[BTC]);
    harness.ack(&[BTC]);
    assert!(harness.events().contains(&SessionEvent::Unlisted { product: id(GONE) }));
    harness
}

#[test]
fn a_lost_answer_shifts_none_of_the_later_ones_for_long() {
    let mut harness = Harness::new(resubscribing(&[BTC, GONE]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    // Both answers are lost in a frame that cannot be read; the product that there is heals.
    harness.message("{");
    harness.next_number();
    harness.next_number();
    harness.advance_beating(2);
    harness.ack(&[] as &[&str]);
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.ack(&[BTC]);
    harness.drain();
    // The other one's snapshot does not come; from then on answers are told apart again.
    harness.advance_beating(10);
    harness.drain();
    harness.ack(&[BTC]);
    harness.ack(&[BTC]);
    let events = harness.events();
    assert!(events.contains(&SessionEvent::Unlisted { product: id(GONE) }), "{events:?}");
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn a_product_that_the_venue_does_not_have_costs_no_connection_when_answers_are_lost() {
    let mut harness = with_unlisted_product(1);
    for _ in 0..6 {
        // Not one of the requests for it is answered.
        harness.advance_beating(40);
        harness.assert_live(BTC, "100 1 / 101 2");
    }
    assert_eq!(harness.session.stats().reconnects, 0);
}

#[test]
fn a_book_of_an_earlier_subscription_is_withdrawn_when_that_has_ended() {
    let mut harness = Harness::new(resubscribing(&[BTC]));
    harness.open();
    harness.drain();
    // It is asked for again because a frame could not be read, and then the first snapshot comes.
    harness.message("{");
    harness.next_number();
    let outputs = harness.advance_beating(2);
    assert_eq!(requests_of(&outputs), ["unsubscribe level2 BTC-USD", "subscribe level2 BTC-USD"]);
    harness.frame(&[snapshot(BTC, "bid 100 1")]);
    harness.ack(&[BTC]);
    harness.ack(&[BTC]);
    harness.assert_live(BTC, "100 1 / -");
    // The venue ends that subscription: what it sends of the next one is not that book's.
    harness.ack(&[] as &[&str]);
    harness.assert_lost(BTC, Cause::Refused);
    harness.frame(&[snapshot(BTC, "bid 99 1")]);
    harness.ack(&[BTC]);
    harness.assert_live(BTC, "99 1 / -");
    assert_eq!(requests_of(&harness.advance_beating(20)), [""; 0], "nothing more is asked for");
}

#[test]
fn answers_that_nobody_waits_for_are_none() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.ack(&[BTC]);
    harness.ack(&[BTC]);
    for product in [ETH, GONE] {
        harness.session.subscribe(harness.now, id(product)).unwrap();
        harness.drain();
    }
    harness.ack(&[BTC, ETH]);
    assert_eq!(harness.events(), [], "the second request has not been answered");
    harness.ack(&[BTC, ETH]);
    assert!(harness.events().contains(&SessionEvent::Unlisted { product: id(GONE) }));
}

#[test]
fn a_venue_that_answers_late_is_asked_again_on_a_new_connection() {
    let mut harness = Harness::new(resubscribing(&[BTC]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(BTC, "bid 100 1")]);
    harness.ack(&[BTC]);
    harness.ack(&[BTC]);
    harness.message("{");
    harness.next_number();
    harness.advance_beating(2);
    // Its answer to the end of the subscription comes after the snapshot of the next one.
    harness.frame(&[snapshot(BTC, "bid 99 1")]);
    harness.ack(&[] as &[&str]);
    harness.assert_lost(BTC, Cause::Refused);
    harness.ack(&[BTC]);
    let events = events_of(harness.advance_beating(10));
    let reason = Disconnect::ForResync(Cause::NoSnapshot);
    assert!(events.contains(&SessionEvent::Disconnected { reason }), "{events:?}");
}

#[test]
fn a_product_that_is_served_again_is_worth_a_connection_again() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.ack(&[ETH]);
    assert!(harness.events().contains(&SessionEvent::Unlisted { product: id(BTC) }));
    let mut asked = 0;
    while harness.session.stats().reconnects == 0 {
        if !requests_of(&harness.advance_beating(1)).is_empty() {
            asked += 1;
            harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
            harness.assert_live(BTC, "100 1 / 101 2");
            harness.frame(&[update(BTC, "bid 500 1")]);
        }
        assert!(asked <= 4, "it is never given up");
    }
    assert_eq!(asked, 4, "once after the refusal, and three times after a fault");
}

#[test]
fn what_the_venue_did_not_list_or_was_left_is_of_one_connection() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.ack(&[ETH]);
    harness.session.unsubscribe(ETH).unwrap();
    harness.drain();
    harness.close_by_venue();
    harness.session.subscribe(harness.now, id("FOO-USDC")).unwrap();
    harness.advance_to_dial();
    harness.opened();
    harness.drain();
    harness.frame(&[snapshot("FOO-USD", "bid 3 1, offer 4 1")]);
    harness.assert_live("FOO-USDC", "3 1 / 4 1");
    // The snapshot of the other does not come: it is worth this connection as any other.
    let reconnects = harness.session.stats().reconnects;
    harness.advance_beating(60);
    assert!(harness.session.stats().reconnects > reconnects);
}

#[test]
fn a_refusal_is_of_the_products_of_its_request() {
    let mut harness = Harness::new(config(&[BTC]));
    harness.open();
    harness.drain();
    harness.session.subscribe(harness.now, id(ETH)).unwrap();
    harness.drain();
    let unserved = |harness: &Harness| -> Vec<String> {
        harness.session.unserved().map(|product| product.name().to_string()).collect()
    };
    assert_eq!(unserved(&harness), [""; 0], "nothing was answered yet");
    harness.frame(&[snapshot(BTC, "bid 1 1")]);
    harness.ack(&[BTC]);
    assert_eq!(unserved(&harness), [""; 0], "it was served");
    harness.ack(&[BTC]);
    harness.error("too many L2 streams requested in a single session");
    assert_eq!(unserved(&harness), [ETH]);
}

#[test]
fn a_product_that_is_not_listed_is_reported_and_requested_at_growing_intervals() {
    let mut harness = Harness::new(config(&[BTC, "GONE-USD"]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.ack(&[BTC]);
    harness.ack(&[BTC]);
    let events = harness.events();
    assert!(events.contains(&SessionEvent::Unlisted { product: id("GONE-USD") }), "{events:?}");
    harness.assert_lost("GONE-USD", Cause::Refused);
    let mut waits = Vec::new();
    let mut last = harness.now;
    for _ in 0..600 {
        let requests = requests_of(&harness.advance_beating(1));
        if requests.contains(&"subscribe level2 GONE-USD".to_owned()) {
            waits.push((harness.now - last).as_secs());
            last = harness.now;
        }
        for _ in requests {
            harness.ack(&[BTC]);
        }
        harness.assert_live(BTC, "100 1 / 101 2");
    }
    assert_eq!(waits[..5], [2, 4, 8, 16, 30], "doubling up to the longest wait");
    assert!(waits[5..].iter().all(|wait| *wait == 30));
    assert_eq!(harness.session.stats().reconnects, 0);
}

#[test]
fn a_product_that_is_not_listed_does_not_make_a_later_gap_cost_the_connection() {
    let mut harness = Harness::new(resubscribing(&[BTC, "GONE-USD"]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.ack(&[BTC]);
    harness.ack(&[BTC]);
    for _ in 0..60 {
        for _ in requests_of(&harness.advance_beating(1)) {
            harness.ack(&[BTC]);
        }
    }
    harness.assert_live(BTC, "100 1 / 101 2");
    harness.lose_frames(1);
    harness.heartbeat();
    let outputs = harness.drain();
    assert!(!outputs.contains(&Output::Disconnect), "{outputs:?}");
}

#[test]
fn the_answer_to_an_earlier_request_says_nothing_of_a_later_one() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.session.subscribe(harness.now, id(ETH)).unwrap();
    harness.session.subscribe(harness.now, id("SOL-USD")).unwrap();
    harness.session.unsubscribe("SOL-USD").unwrap();
    assert_eq!(harness.requests(), ["subscribe level2 ETH-USD"], "never asked for, never ended");
    harness.session.subscribe(harness.now, id("SOL-USD")).unwrap();
    assert_eq!(harness.requests(), ["subscribe level2 SOL-USD"]);
    harness.ack(&[BTC, ETH]);
    let events = harness.events();
    assert!(!events.contains(&SessionEvent::Unlisted { product: id("SOL-USD") }), "{events:?}");
}
