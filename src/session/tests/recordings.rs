//! Passive sessions, which request nothing.

use std::time::Duration;

use super::harness::*;
use crate::session::{Cause, NotLive, SessionConfig};

#[test]
fn a_recording_brings_its_products_with_it() {
    let mut harness = Harness::new(SessionConfig::recording());
    harness.open();
    assert_eq!(harness.requests(), [""; 0]);
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.frame(&[snapshot(ETH, "bid 7 1")]);
    harness.ack(&["SOL-USD", BTC, ETH]);
    harness.assert_live(BTC, "100 1 / 101 2");
    harness.assert_live(ETH, "7 1 / -");
    let outputs = harness.advance(Duration::from_secs(4));
    assert_eq!(requests_of(&outputs), [""; 0], "nothing is ever requested");
}

#[test]
fn a_recording_in_which_a_subscription_ends_shows_its_book_no_longer() {
    let mut harness = Harness::new(SessionConfig::recording());
    harness.open();
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.frame(&[snapshot(ETH, "bid 7 1")]);
    harness.ack(&[ETH]);
    harness.assert_lost(BTC, Cause::Refused);
    harness.assert_live(ETH, "7 1 / -");
    harness.frame(&[snapshot(BTC, "bid 102 1")]);
    harness.ack(&[ETH, BTC]);
    harness.assert_live(BTC, "102 1 / -");
}

#[test]
fn a_recording_holds_no_more_products_than_it_may() {
    let mut harness = Harness::new(SessionConfig { max_products: 2, ..SessionConfig::recording() });
    harness.open();
    for product in [BTC, ETH, "SOL-USD", "no product", "-&-"] {
        harness.frame(&[snapshot(product, "bid 1 1")]);
    }
    assert_eq!(harness.session.products().count(), 2);
    assert_eq!(harness.session.stats().unasked, 3);
}

#[test]
fn a_recording_that_begins_in_the_middle_is_not_live() {
    let mut harness = Harness::new(SessionConfig::recording());
    harness.open();
    harness.sequence = 50;
    for _ in 0..100 {
        harness.frame(&[update(BTC, "bid 100 1")]);
    }
    assert_eq!(harness.best(BTC), None);
    assert!(matches!(harness.session.book(BTC), Err(NotLive::Syncing { .. })));
    assert_eq!(harness.session.stats().awaiting, 100);
    harness.frame(&[snapshot(BTC, "bid 7 1")]);
    harness.assert_live(BTC, "7 1 / -");
}
