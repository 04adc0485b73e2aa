//! Dials, connections and their ends.

use std::time::Duration;

use super::harness::*;
use crate::session::{Disconnect, Input, MIN_DIAL_INTERVAL, Output, SessionConfig, SessionEvent};

#[test]
fn each_connection_has_its_number() {
    let mut config = config(&[BTC]);
    config.first_connection = 70;
    let mut harness = Harness::live(config);
    let connection =
        |harness: &Harness| harness.session.bbo(BTC).ok()?.load().map(|b| b.connection);
    assert_eq!((harness.session.connection(), connection(&harness)), (70, Some(70)));
    harness.close_by_venue();
    assert_eq!(connection(&harness), None);
    harness.reconnect();
    assert_eq!((harness.session.connection(), connection(&harness)), (71, Some(71)));
}

#[test]
fn a_bbo_and_its_session_agree_on_the_number_of_any_connection() {
    const LARGEST: u64 = (1 << 40) - 1;
    for (first, numbers) in [(1 << 40, [0, 1]), (u64::MAX, [LARGEST, 0])] {
        let mut config = config(&[BTC]);
        config.first_connection = first;
        let mut harness = Harness::live(config);
        for number in numbers {
            let bbo = harness.session.bbo(BTC).unwrap().load().unwrap();
            assert_eq!((bbo.connection, harness.session.connection()), (number, number));
            harness.close_by_venue();
            harness.reconnect();
        }
    }
}

#[test]
fn an_opening_without_a_dial_changes_nothing() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.session.handle(harness.now, Input::Opened);
    harness.assert_live(BTC, "100 1 / 101 2");
    assert_eq!(harness.drain(), []);
}

#[test]
fn dials_never_come_closer_than_the_venue_allows() {
    for seed in 0..50 {
        let mut harness = Harness::new(SessionConfig { seed, ..config(&[BTC]) });
        harness.advance_to_dial();
        for _ in 0..20 {
            harness.session.handle(harness.now, dial_failed());
            let waited = harness.advance_to_dial();
            assert!(waited >= MIN_DIAL_INTERVAL, "seed {seed}: {waited:?}");
            assert!(waited <= Duration::from_secs(30), "seed {seed}: {waited:?}");
        }
    }
}

/// The longest of many first waits after a loss, which shows the bound that they are drawn from.
fn longest_wait(prepare: impl Fn(&mut Harness)) -> Duration {
    let wait = |seed| {
        let mut harness = Harness::new(SessionConfig { seed, ..config(&[BTC]) });
        prepare(&mut harness);
        harness.close_by_venue();
        harness.advance_to_dial()
    };
    (0..100).map(wait).max().unwrap()
}

/// A venue that takes the connection, serves a book and closes at once.
fn serve_briefly(harness: &mut Harness, times: u32) {
    for _ in 0..times {
        harness.reconnect();
        harness.close_by_venue();
    }
}

#[test]
fn a_venue_that_opens_and_closes_is_dialled_after_growing_waits() {
    let quick = longest_wait(Harness::reconnect);
    assert!(quick <= Duration::from_millis(125), "{quick:?}");
    let slow = longest_wait(|harness| {
        serve_briefly(harness, 8);
        harness.reconnect();
    });
    assert!(slow > Duration::from_secs(20), "{slow:?}");
}

#[test]
fn the_waits_start_over_only_after_a_book_was_live_for_long() {
    let after = |seconds| {
        longest_wait(|harness| {
            serve_briefly(harness, 8);
            harness.reconnect();
            harness.advance_beating(seconds);
        })
    };
    assert!(after(29) > Duration::from_secs(20));
    assert!(after(30) <= Duration::from_millis(125));
    let connected_only = longest_wait(|harness| {
        serve_briefly(harness, 8);
        harness.advance_to_dial();
        harness.opened();
        for _ in 0..39 {
            harness.drain();
            harness.now += SECOND;
            harness.heartbeat();
        }
    });
    assert!(connected_only > Duration::from_secs(20), "a mere connection resets nothing");
}

#[test]
fn many_clients_do_not_dial_in_step() {
    let mut moments: Vec<Duration> = (0..1_000)
        .map(|seed| {
            let mut harness = Harness::new(SessionConfig { seed, ..config(&[BTC]) });
            serve_briefly(&mut harness, 5);
            harness.advance_to_dial()
        })
        .collect();
    moments.sort_unstable();
    let longest = moments[999];
    let in_first_tenth = moments.iter().filter(|moment| **moment <= longest / 10).count();
    assert!((40..200).contains(&in_first_tenth), "{in_first_tenth} of 1000");
}

/// Syncs, and shows a gap. What is to be done about that is still to be polled.
fn lose_a_frame(harness: &mut Harness) {
    harness.reconnect();
    harness.lose_frames(1);
    harness.heartbeat();
}

#[test]
fn closing_ends_the_session_from_every_state() {
    type Prepare = fn(&mut Harness);
    let states: [(&str, Prepare, bool); 6] = [
        ("new", |_| {}, false),
        ("dialling", |h| drop(h.drain()), true),
        ("open", |h| h.open(), true),
        ("live", |h| h.reconnect(), true),
        ("given up, not yet left", |h| lose_a_frame(h), true),
        ("waiting", |h| serve_briefly(h, 1), false),
    ];
    for (state, prepare, is_connected) in states {
        let mut harness = Harness::new(config(&[BTC]));
        prepare(&mut harness);
        harness.session.close(harness.now);
        harness.assert_all_withdrawn();
        assert!(harness.session.is_ended());
        let outputs = harness.drain();
        assert_eq!(outputs.contains(&Output::Disconnect), is_connected, "{state}");
        let closed = SessionEvent::Disconnected { reason: Disconnect::ByCaller };
        assert_eq!(outputs.last(), Some(&Output::Event(closed)), "{state}");

        harness.session.close(harness.now);
        harness.opened();
        harness.frame(&[snapshot(BTC, "bid 1 1")]);
        harness.close_by_venue();
        assert_eq!(harness.advance(Duration::from_secs(100_000)), [], "{state}");
        harness.assert_all_withdrawn();
    }
}
