//! The names of products: those requested, and those that the venue answers under.

use super::harness::*;
use crate::session::{Cause, SessionConfig, SessionEvent};

#[test]
fn a_frame_under_the_venues_name_is_for_the_name_requested() {
    let mut harness = Harness::new(config(&["BTC-USDC"]));
    harness.open();
    assert_eq!(harness.requests()[0], "subscribe level2 BTC-USDC");
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.assert_live("BTC-USDC", "100 1 / 101 2");
    harness.assert_live(BTC, "100 1 / 101 2");
    let (product, canonical) = (id("BTC-USDC"), id(BTC));
    assert_eq!(
        harness.events(),
        [SessionEvent::Aliased { product, canonical }, synced("BTC-USDC", 0)],
        "events speak of the name asked for"
    );
    harness.ack(&[BTC]);
    harness.ack(&[BTC]);
    assert_eq!(harness.events(), []);
    let product = harness.session.product("BTC-USDC").unwrap();
    assert_eq!((product.name(), product.canonical_name()), (&id("BTC-USDC"), &id(BTC)));
    harness.close_by_venue();
    harness.advance_to_dial();
    harness.opened();
    assert_eq!(harness.requests()[0], "subscribe level2 BTC-USD", "learnt for the next time");
}

#[test]
fn an_alias_and_its_product_share_one_stream() {
    for names in [[BTC, "BTC-USDC"], ["BTC-USDC", BTC]] {
        let mut harness = Harness::new(config(&names));
        harness.open();
        harness.drain();
        harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
        harness.ack(&[BTC]);
        harness.ack(&[BTC]);
        for name in names {
            harness.assert_live(name, "100 1 / 101 2");
        }
        let synced_names = [synced(BTC, 0), synced("BTC-USDC", 0)];
        let events = harness.events();
        assert!(synced_names.iter().all(|synced| events.contains(synced)), "{events:?}");
        assert!(harness.session.is_synced());
        harness.frame(&[update(BTC, "bid 100 5")]);
        for reader in &harness.readers {
            assert_eq!(reader.load().unwrap().sequence, harness.sequence - 1);
        }
        assert_eq!(harness.events().len(), 2, "each name is told");
        harness.lose_frames(1);
        harness.heartbeat();
        harness.assert_all_withdrawn();
        assert_eq!(
            harness.events().iter().filter(|e| matches!(e, SessionEvent::Lost { .. })).count(),
            2
        );
        harness.advance_to_dial();
        harness.opened();
        assert_eq!(harness.requests()[0], "subscribe level2 BTC-USD");
    }
}

#[test]
fn one_of_two_names_leaves_and_the_other_stays_live() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.session.subscribe(harness.now, id("BTC-USDC")).unwrap();
    harness.drain();
    harness.ack(&[BTC]);
    harness.assert_live("BTC-USDC", "100 1 / 101 2");
    let reader = harness.session.bbo(BTC).unwrap();
    harness.session.unsubscribe(BTC).unwrap();
    assert_eq!(reader.load(), None);
    assert_eq!(harness.requests(), [""; 0], "the venue still has to send it");
    harness.assert_live("BTC-USDC", "100 1 / 101 2");
    harness.session.unsubscribe(BTC).unwrap_err();
    harness.assert_live("BTC-USDC", "100 1 / 101 2");
    harness.session.unsubscribe("BTC-USDC").unwrap();
    assert_eq!(harness.requests(), ["unsubscribe level2 BTC-USD"]);
}

#[test]
fn a_pair_of_its_own_is_not_taken_for_an_alias() {
    let mut harness = Harness::live(config(&["USDT-USD"]));
    harness.session.unsubscribe("USDT-USD").unwrap();
    harness.session.subscribe(harness.now, id("USDT-USDC")).unwrap();
    // An update of the stream that was ended a moment ago is still on its way.
    harness.frame(&[update("USDT-USD", "bid 100 5")]);
    harness.drain();
    harness.ack(&[] as &[&str]);
    harness.frame(&[snapshot("USDT-USDC", "bid 1 1, offer 2 1")]);
    harness.ack(&["USDT-USDC"]);
    harness.assert_live("USDT-USDC", "1 1 / 2 1");
    assert_eq!(harness.session.product("USDT-USDC").unwrap().canonical_name(), &"USDT-USDC");
}

#[test]
fn a_pair_of_its_own_that_is_not_listed_gets_no_other_pairs_book() {
    let mut harness = Harness::new(config(&["USDT-USD", "USDT-USDC"]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot("USDT-USD", "bid 100 1")]);
    harness.ack(&["USDT-USD"]);
    harness.assert_live("USDT-USD", "100 1 / -");
    harness.assert_lost("USDT-USDC", Cause::Refused);
}

#[test]
fn a_configured_alias_is_requested_under_the_venues_name() {
    let aliases = vec![(id("XBT-USD"), id(BTC))];
    let mut harness = Harness::new(SessionConfig { aliases, ..config(&["XBT-USD", BTC]) });
    harness.open();
    assert_eq!(harness.requests()[0], "subscribe level2 BTC-USD");
    harness.sync_all();
    harness.assert_live("XBT-USD", "100 1 / 101 2");
    harness.assert_live(BTC, "100 1 / 101 2");
    let synced_names = ["XBT-USD", BTC].map(|name| synced(name, 0));
    let events = harness.events();
    assert!(synced_names.iter().all(|synced| events.contains(synced)), "{events:?}");
    harness.session.unsubscribe("XBT-USD").unwrap();
    assert_eq!(harness.requests(), [""; 0], "the other name still needs it");
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn a_long_name_is_not_taken_for_the_shorter_one_that_it_begins_with() {
    // Names of up to sixteen bytes are looked up by a key.
    let (short, long) = ("ABCDEFGHIJKL-USD", "ABCDEFGHIJKL-USDX");
    let mut harness = Harness::live(config(&[short]));
    harness.frame(&[update(long, "bid 100 5")]);
    harness.assert_live(short, "100 1 / 101 2");
    assert_eq!(harness.session.stats().unasked, 1);
}

#[test]
fn an_alias_that_the_venue_contradicts_costs_no_product() {
    // The caller has it the wrong way round: the venue answers for the one in USD.
    let aliases = vec![(id(BTC), id("BTC-USDC"))];
    let mut harness = Harness::new(SessionConfig { aliases, ..config(&[ETH, BTC]) });
    harness.open();
    assert_eq!(harness.requests()[0], "subscribe level2 ETH-USD,BTC-USDC");
    harness.ack(&[ETH, BTC]);
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.assert_live(BTC, "100 1 / 101 2");
    assert_eq!(harness.session.product(BTC).unwrap().canonical_name(), &id(BTC));
}
