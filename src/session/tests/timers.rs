//! What happens when time passes.

use std::time::Duration;

use super::harness::*;
use crate::session::{Disconnect, Input, Output, SessionEvent};

#[test]
fn what_is_held_back_has_its_deadline_from_its_turn() {
    let mut harness = Harness::new(config(&[BTC]));
    assert!(harness.drain().contains(&Output::Connect));
    let turn = harness.now + 30 * SECOND;
    harness.session.handle(harness.now, Input::Held(turn));
    harness.advance(39 * SECOND);
    assert_eq!(harness.session.stats().reconnects, 0, "the dial has its ten seconds");
    harness.opened();
    assert!(matches!(harness.session.poll(harness.now), Output::Send(_)));
    let turn = harness.now + 20 * SECOND;
    harness.session.handle(harness.now, Input::Held(turn));
    harness.advance_beating(15);
    harness.session.subscribe(harness.now, id(ETH)).unwrap();
    assert_eq!(harness.requests(), [""; 0], "nothing more is asked for before");
    let outputs = harness.advance_beating(10);
    let asked = requests_of(&outputs);
    assert_eq!(asked, ["subscribe level2 ETH-USD", "subscribe heartbeats"]);
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn what_was_held_on_one_connection_is_requested_at_once_on_the_next() {
    let mut harness = Harness::new(config(&[BTC]));
    harness.open();
    assert!(matches!(harness.session.poll(harness.now), Output::Send(_)));
    harness.session.handle(harness.now, Input::Held(harness.now + 1_000 * SECOND));
    harness.close_by_venue();
    harness.advance_to_dial();
    harness.opened();
    assert_eq!(harness.requests(), ["subscribe level2 BTC-USD", "subscribe heartbeats"]);
}

#[test]
fn each_snapshot_has_a_deadline_of_its_own() {
    let mut harness = Harness::new(config(&[BTC]));
    harness.open();
    harness.drain();
    harness.advance_beating(4);
    harness.session.subscribe(harness.now, id(ETH)).unwrap();
    let mut lost_after = Vec::new();
    for second in 1..=10 {
        let events = events_of(harness.advance_beating(1));
        for product in [BTC, ETH] {
            if count_lost(&events, product) > 0 {
                lost_after.push((product, second));
            }
        }
    }
    assert_eq!(lost_after, [(BTC, 6), (ETH, 10)], "10 s after each was asked for");
}

#[test]
fn after_a_jump_of_the_clock_the_first_poll_withdraws_too() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.now += Duration::from_secs(3_600);
    assert_eq!(harness.session.poll(harness.now), Output::Disconnect);
    harness.assert_all_withdrawn();
}

#[test]
fn a_quiet_product_is_reported_once_and_stays_live() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    let since = harness.now;
    harness.advance_beating(10);
    harness.frame(&[update(ETH, "bid 100 5")]);
    let events = events_of(harness.advance_beating(21));
    assert_eq!(events[1..], [SessionEvent::Quiet { product: id(BTC), since }]);
    harness.assert_live(BTC, "100 1 / 101 2");
    let events = events_of(harness.advance_beating(300));
    assert_eq!(events, [SessionEvent::Quiet { product: id(ETH), since: since + 10 * SECOND }]);
}

#[test]
fn a_product_that_falls_quiet_again_is_reported_again() {
    for quiet_limit in [None, Some(Duration::from_secs(3_600))] {
        let mut harness = Harness::live(tuned(config(&[BTC]), |policy| {
            policy.quiet_limit = quiet_limit;
        }));
        harness.advance_beating(40);
        harness.frame(&[update(BTC, "bid 100 5")]);
        let since = harness.now;
        harness.drain();
        let events = events_of(harness.advance_beating(40));
        let quiet = SessionEvent::Quiet { product: id(BTC), since };
        assert_eq!(events, [quiet], "with a limit of {quiet_limit:?}");
    }
}

#[test]
fn a_quiet_product_never_costs_the_others_their_connection() {
    let quiet_limit = Some(Duration::from_secs(10));
    let mut harness = Harness::live(tuned(config(&[BTC, ETH]), |policy| {
        policy.quiet_limit = quiet_limit;
    }));
    for second in 0..120u64 {
        // One market moves each second, the other is idle but answers whenever it is asked.
        harness.frame(&[update(ETH, &format!("bid 99 {}", second + 1))]);
        let outputs = harness.advance(SECOND);
        assert!(!outputs.contains(&Output::Disconnect), "disconnected after {second} s");
        if requests_of(&outputs).contains(&"subscribe level2 BTC-USD".to_owned()) {
            harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
        }
    }
    harness.assert_live(ETH, "100 1 / 101 2");
}

#[test]
fn a_dial_has_a_deadline_and_a_connection_that_comes_after_it_is_not_used() {
    let mut harness = Harness::new(config(&[BTC]));
    assert_eq!(harness.drain(), [Output::Connect]);
    assert_eq!(harness.advance(Duration::from_millis(9_999)), []);
    harness.now += Duration::from_millis(1);
    harness.session.handle(harness.now, Input::Opened);
    let outputs = harness.drain();
    assert_eq!(outputs[0], Output::Disconnect, "the caller has to drop what it opened");
    let reason = Disconnect::TimedOut(Duration::from_secs(10));
    assert!(outputs.contains(&Output::Event(SessionEvent::Disconnected { reason })));
    assert!(!outputs.contains(&Output::Event(SessionEvent::Connected)));
    harness.reconnect();
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn settings_that_mean_never_do_not_overflow_the_clock() {
    let never = Duration::MAX;
    let mut harness = Harness::new(tuned(config(&[BTC]), |policy| {
        policy.connect_timeout = never;
        policy.idle_timeout = never;
        policy.snapshot_timeout = never;
        policy.quiet_after = never;
        policy.quiet_limit = Some(never);
        policy.healthy_after = never;
        policy.backoff_max = never;
        policy.resubscribe_interval = never;
    }));
    harness.open();
    harness.drain();
    harness.sync_all();
    harness.drain();
    harness.now += SECOND;
    harness.frame(&[update(BTC, "bid 100 5")]);
    harness.drain();
    harness.assert_live(BTC, "100 5 / 101 2");
    // A lifetime of silence is nothing beside it.
    harness.now += Duration::from_secs(90 * 365 * 86_400);
    assert_eq!(harness.drain(), []);
    harness.assert_live(BTC, "100 5 / 101 2");
    harness.frame(&[update(BTC, "bid 500 5")]);
    harness.drain();
}
