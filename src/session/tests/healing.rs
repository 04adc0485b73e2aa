//! How lost books come back, and what that costs.

use super::harness::*;
use crate::session::{Cause, Disconnect, SequenceScope, SessionEvent};

#[test]
fn a_book_that_no_connection_heals_costs_only_one_and_is_requested_at_growing_intervals() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    let cross = |harness: &mut Harness| {
        harness.frame(&[update(BTC, "bid 500 1")]);
        // As long as it takes until its snapshot is asked for, with heartbeats all the while.
        let mut seconds = 0;
        while requests_of(&harness.advance_beating(1)).is_empty() {
            seconds += 1;
            assert!(seconds < 60, "it is never given up");
        }
        harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
        seconds
    };
    for _ in 0..3 {
        cross(&mut harness);
    }
    harness.frame(&[update(BTC, "bid 500 1")]);
    harness.reconnect();
    for _ in 0..3 {
        cross(&mut harness);
    }
    let waits: Vec<u32> = (0..7).map(|_| cross(&mut harness)).collect();
    assert!(waits.is_sorted() && waits[6] >= 29, "{waits:?}");
    harness.assert_live(ETH, "100 1 / 101 2");
    assert_eq!(harness.session.stats().reconnects, 1);
}

#[test]
fn a_venue_that_answers_no_second_request_gives_the_book_back_on_new_connections() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    // For how long the book is live each time; half a minute makes up for what was before.
    let live = [20, 20, 20, 20, 20, 20, 20, 40, 20];
    let costs = live.map(|seconds| {
        let start = harness.now;
        harness.advance_beating(seconds);
        harness.frame(&[update(BTC, "bid 500 1")]);
        let reconnects = harness.session.stats().reconnects;
        while harness.session.stats().reconnects == reconnects {
            harness.advance_beating(1);
            assert!(harness.now < start + 7_200 * SECOND, "it is never given up");
        }
        let cost = (harness.now - start).as_secs();
        harness.reconnect();
        harness.assert_live(BTC, "100 1 / 101 2");
        cost
    });
    // Each after the first is when an interval is over that began at the one before.
    let intervals = [0, 300, 600, 1_200, 2_400, 3_600, 3_600, 0, 300];
    for (cost, interval) in costs.into_iter().zip(intervals) {
        let is_kept = (interval.max(110) - 90..=interval.max(30) + 60).contains(&cost);
        assert!(is_kept, "{costs:?} of {intervals:?}");
    }
}

#[test]
fn a_snapshot_before_a_fault_of_its_frame_is_gone_too() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.frame(&[update(BTC, "bid 500 1")]);
    harness.drain();
    harness.frame(&[snapshot(BTC, "bid 1 1, offer 2 2"), "{}".to_owned()]);
    harness.assert_all_withdrawn();
    assert!(!harness.session.is_synced());
    harness.reconnect();
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn losses_far_apart_never_cost_the_connection() {
    let mut harness = Harness::live(config(&[BTC]));
    for _ in 0..10 {
        harness.frame(&[update(BTC, "bid 500 1")]);
        harness.advance_beating(2);
        harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
        harness.advance_beating(30);
    }
    assert_eq!(harness.session.stats().resyncs, 10);
    assert_eq!(harness.session.stats().reconnects, 0);
}

#[test]
fn a_product_that_comes_back_is_live_again() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.advance_beating(3);
    harness.ack(&[BTC]);
    harness.assert_lost(ETH, Cause::Refused);
    harness.assert_live(BTC, "100 1 / 101 2");
    harness.advance_beating(3);
    harness.ack(&[BTC]);
    harness.frame(&[snapshot(ETH, "bid 3 1")]);
    harness.ack(&[BTC, ETH]);
    harness.assert_live(ETH, "3 1 / -");
    assert!(harness.session.is_synced());
}

/// Where each product has its own numbers, one frame can show two of them a loss.
#[test]
fn two_faults_of_a_frame_end_a_connection_once() {
    let per_product = tuned(config(&[BTC, ETH]), |policy| {
        policy.sequence_scope = SequenceScope::Product;
    });
    let mut harness = Harness::live(per_product);
    harness.drain();
    let both = [update(BTC, "bid 100 5"), update(ETH, "bid 100 5")].join(",");
    harness.message(&numbered("l2_data", 70, &both));
    let reason = Disconnect::ForResync(Cause::Gap);
    assert_eq!(
        harness.events(),
        [lost(BTC, Cause::Gap), lost(ETH, Cause::Gap), SessionEvent::Disconnected { reason }]
    );
    assert_eq!(harness.session.stats().gaps, 1, "nothing is read of it after the first");
}
