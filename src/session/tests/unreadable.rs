//! Messages, events and levels that cannot be read or held.

use super::harness::*;
use crate::book::{BookError, Side};
use crate::session::{Cause, Input, Resync, SessionEvent};

const UNREADABLE: [&str; 14] = [
    "",
    "\0",
    "null",
    "[]",
    "{",
    "{}",
    "hello",
    "\u{feff}{}",
    "{\"channel\":\"l2_data\",\"sequence_num\":-1,\"events\":[]}",
    "{\"channel\":\"l2_data\",\"sequence_num\":1.5,\"events\":[]}",
    "{\"channel\":\"l2_data\",\"sequence_num\":18446744073709551616,\"events\":[]}",
    "{\"channel\":\"l2_data\",\"events\":[]}",
    "{\"channel\":\"l2_data\",\"channel\":\"x\",\"sequence_num\":1,\"events\":[]}",
    "{\"channel\":\"l2_data\",\"sequence_num\":1}",
];

#[test]
fn a_message_that_is_no_frame_loses_every_book() {
    for text in UNREADABLE {
        for resync in [Resync::Reconnect, Resync::Resubscribe] {
            let mut harness = Harness::live(tuned(config(&[BTC, ETH]), |policy| {
                policy.resync = resync;
            }));
            harness.message(text);
            harness.assert_all_withdrawn();
            harness.assert_lost(BTC, Cause::Decode);
            let events = harness.events();
            let is_told = |event: &SessionEvent| {
                matches!(event, SessionEvent::Undecodable { product: None, .. })
            };
            assert!(events.iter().any(is_told), "{text:?} under {resync:?}: {events:?}");
            assert_eq!(harness.session.stats().undecodable, 1);
            assert_eq!(harness.session.is_connected(), resync == Resync::Resubscribe);
        }
    }
}

#[test]
fn a_message_that_is_no_text_loses_every_book() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.session.handle(harness.now, Input::Message(b"{\"channel\":\"\xff\xfe\"}"));
    harness.assert_lost(BTC, Cause::Decode);
}

#[test]
fn every_truncation_of_a_frame_is_noticed() {
    let text = numbered("l2_data", 3, &update(BTC, "bid 100 5, offer 101 1"));
    for len in 0..text.len() {
        let mut harness = Harness::live(resubscribing(&[BTC]));
        harness.message(&text[..len]);
        harness.assert_all_withdrawn();
    }
}

#[test]
fn an_event_that_names_no_product_loses_every_book() {
    for event in ["{}", "{\"type\":\"update\",\"updates\":[]}", "7", "{\"product_id\":7}"] {
        let mut harness = Harness::live(resubscribing(&[BTC, ETH]));
        harness.frame(&[update(BTC, "bid 100 5"), event.to_owned()]);
        harness.assert_all_withdrawn();
        harness.assert_lost(ETH, Cause::Decode);
        harness.heartbeat();
        assert_eq!(harness.session.stats().gaps, 0, "its number was read");
    }
}

#[test]
fn a_level_that_cannot_be_read_loses_only_its_product() {
    let levels = [
        "ask 100 1",
        "bid 1_0 1",
        "bid +1 1",
        "bid .5 1",
        "bid 5. 1",
        "bid NaN 1",
        "bid 1 -1",
        "bid 1 1e-40",
        "bid 1 12345678901234567890",
    ];
    for level in levels {
        let mut harness = Harness::live(config(&[BTC, ETH]));
        harness.frame(&[update(BTC, &format!("bid 100 5, {level}, bid 90 1"))]);
        assert_eq!(harness.best(BTC), None, "{level}: half a frame can be read");
        harness.assert_lost(BTC, Cause::Decode);
        harness.assert_live(ETH, "100 1 / 101 2");
        let events = harness.events();
        let is_told = |event: &SessionEvent| match event {
            SessionEvent::Undecodable { product: Some(product), .. } => *product == BTC,
            _ => false,
        };
        assert!(events.iter().any(is_told), "{level}: {events:?}");
        assert_eq!(count_lost(&events, ETH), 0);
        harness.advance_beating(2);
        harness.frame(&[snapshot(BTC, "bid 100 5")]);
        harness.assert_live(BTC, "100 5 / -");
    }
}

#[test]
fn an_event_without_sound_type_or_levels_loses_only_its_product() {
    for rest in [
        "",
        ",\"type\":\"update\"",
        ",\"type\":\"delta\",\"updates\":[]",
        ",\"type\":\"update\",\"updates\":{}",
        ",\"type\":\"update\",\"updates\":[{\"side\":\"bid\"}]",
        ",\"type\":\"snapshot\",\"updates\":[7]",
    ] {
        let mut harness = Harness::live(config(&[BTC, ETH]));
        harness.frame(&[format!("{{\"product_id\":\"BTC-USD\"{rest}}}")]);
        harness.assert_lost(BTC, Cause::Decode);
        harness.assert_live(ETH, "100 1 / 101 2");
    }
}

#[test]
fn a_book_beyond_its_bound_is_lost_and_the_error_reported() {
    let limited = tuned(config(&[BTC, ETH]), |policy| {
        policy.max_levels_per_side = 3;
    });
    let mut harness = Harness::live(limited);
    harness.frame(&[update(BTC, "bid 99 1, bid 98 1")]);
    harness.assert_live(BTC, "100 1 / 101 2");
    harness.frame(&[update(BTC, "bid 97 1")]);
    harness.assert_lost(BTC, Cause::Limit);
    harness.assert_live(ETH, "100 1 / 101 2");
    let error = BookError::TooManyLevels { side: Side::Bid, max_levels: 3 };
    let told = SessionEvent::LevelRejected { product: id(BTC), error };
    assert!(harness.events().contains(&told));

    harness.advance_beating(3);
    harness.frame(&[snapshot(BTC, "offer 1 1, offer 2 1, offer 3 1, offer 4 1")]);
    harness.assert_lost(BTC, Cause::Limit);
    harness.assert_live(ETH, "100 1 / 101 2");
    assert_eq!(harness.session.stats().undecodable, 2);
}
