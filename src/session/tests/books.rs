//! The way to a live book, and what is read of it.

use super::harness::*;
use crate::book::Side;
use crate::session::{Input, LevelChange, NotLive, SessionEvent};

#[test]
fn a_snapshot_makes_a_book_live_and_updates_keep_it_true() {
    let mut harness = Harness::new(config(&[BTC, ETH]));
    harness.open();
    assert_eq!(
        harness.requests(),
        ["subscribe level2 BTC-USD,ETH-USD", "subscribe heartbeats"],
        "one request for all products, and heartbeats, at once"
    );
    assert!(matches!(harness.session.book(BTC), Err(NotLive::Syncing { .. })));
    assert!(matches!(harness.session.book("SOL-USD"), Err(NotLive::Unknown(_))));

    harness.frame(&[snapshot(BTC, "bid 100 1, bid 99.5 3, offer 101 2")]);
    harness.assert_live(BTC, "100 1 / 101 2");
    assert!(!harness.session.is_synced(), "the other product has no book yet");
    assert_eq!(harness.events(), [synced(BTC, 0)]);

    harness.frame(&[update(BTC, "bid 100 0, offer 100.5 0.25")]);
    harness.assert_live(BTC, "99.5 3 / 100.5 0.25");
    let bbo = harness.session.bbo(BTC).unwrap().load().unwrap();
    assert_eq!((bbo.sequence, bbo.received), (1, harness.now));
    assert_eq!(harness.events(), [SessionEvent::Updated { product: id(BTC), sequence: 1 }]);

    harness.frame(&[snapshot(ETH, "bid 7 1")]);
    assert!(harness.session.is_synced());
    let book = harness.session.book(BTC).unwrap();
    assert_eq!(book.level_count(Side::Bid), 1);
    assert_eq!(book.level_count(Side::Ask), 2);
}

#[test]
fn an_update_that_changes_nothing_refreshes_the_best_but_is_no_event() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.now += SECOND;
    harness.frame(&[update(BTC, "bid 100 1, bid 12 0, offer 101 2.0")]);
    assert_eq!(harness.events(), []);
    let bbo = harness.session.bbo(BTC).unwrap().load().unwrap();
    assert_eq!((bbo.sequence, bbo.received), (harness.sequence - 1, harness.now));
    let stats = harness.session.stats();
    assert_eq!((stats.updates, stats.orphan_deletes), (3, 1));
    harness.frame(&[update(BTC, "")]);
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn an_empty_snapshot_is_a_live_book_without_levels() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.frame(&[snapshot(BTC, "")]);
    harness.assert_live(BTC, "- / -");
    assert!(harness.session.book(BTC).unwrap().is_empty());
    harness.frame(&[update(BTC, "offer 55 1")]);
    harness.assert_live(BTC, "- / 55 1");
}

#[test]
fn a_one_sided_book_is_live_and_never_crossed() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.frame(&[update(BTC, "offer 101 0, bid 1000000 1")]);
    harness.assert_live(BTC, "1000000 1 / -");
    harness.frame(&[update(BTC, "bid 1000000 0, bid 100 0")]);
    harness.assert_live(BTC, "- / -");
}

#[test]
fn a_second_snapshot_replaces_every_level() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.frame(&[snapshot(BTC, "offer 7 1, bid 6 1, offer 7 3, bid 5 0")]);
    harness.assert_live(BTC, "6 1 / 7 3");
    let book = harness.session.book(BTC).unwrap();
    assert_eq!(book.level_count(Side::Bid), 1, "a size of zero is no level");
    assert_eq!(harness.events(), [synced(BTC, harness.sequence - 1)]);
    assert_eq!(harness.session.stats().snapshots, 2);
    assert_eq!(harness.session.stats().resyncs, 0, "nothing was lost before");
}

#[test]
fn several_events_of_a_frame_are_one_change() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.frame(&[
        update(BTC, "bid 102 1"),
        update(ETH, "bid 100 9"),
        update("SOL-USD", "bid 1 1"),
        update(BTC, "offer 101 0, offer 103 4"),
    ]);
    let sequence = harness.sequence - 1;
    harness.assert_live(BTC, "102 1 / 103 4");
    harness.assert_live(ETH, "100 9 / 101 2");
    assert_eq!(
        harness.events(),
        [BTC, ETH].map(|product| SessionEvent::Updated { product: id(product), sequence }),
        "each product once, checked and published after the whole frame"
    );
    assert_eq!(harness.session.stats().unasked, 1);
}

#[test]
fn the_levels_that_a_frame_changed_are_collected_on_request() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.frame(&[update(BTC, "bid 99 3")]);
    assert_eq!(harness.session.changes(BTC).unwrap().count(), 0, "they are not collected");
    harness.session.collect_changes(true);
    let text = |change: LevelChange| match change.size {
        Some(size) => format!("{} {} {size}", change.side, change.price),
        None => format!("{} {} gone", change.side, change.price),
    };
    let collected = |harness: &Harness, name| -> Vec<String> {
        harness.session.changes(name).unwrap().map(text).collect()
    };
    // The venue's usual frame, of one event, takes a way of its own.
    harness.frame(&[update(BTC, "bid 99 3, bid 97 1")]);
    assert_eq!(collected(&harness, BTC), ["bid 97 1"]);
    assert_eq!(harness.session.stats().general_frames, 0);
    // Unchanged, changed, absent, removed, new, and another product's.
    let levels = "bid 99 3, bid 100 5, bid 98 0, bid 99 0, offer 102 4";
    harness.frame(&[update(BTC, levels), update(ETH, "bid 100 9")]);
    assert_eq!(collected(&harness, BTC), ["bid 100 5", "bid 99 gone", "ask 102 4"]);
    assert_eq!(collected(&harness, ETH), ["bid 100 9"]);
    harness.session.handle(harness.now, Input::Held(harness.now + SECOND));
    harness.session.handle(harness.now, Input::Timeout);
    assert_eq!(collected(&harness, ETH), ["bid 100 9"], "only a message makes another last one");
    harness.heartbeat();
    assert_eq!(
        harness.session.changes(BTC).unwrap().count(),
        0,
        "the last message changed nothing"
    );
    harness.frame(&[update(BTC, "bid 100 6"), snapshot(BTC, "bid 1 1"), update(BTC, "bid 2 1")]);
    assert_eq!(collected(&harness, BTC), ["bid 2 1"], "a snapshot changes everything");
    harness.frame(&[update(BTC, "bid 2 2, bid 3 -1")]);
    assert_eq!(harness.session.changes(BTC).unwrap().count(), 0, "the book is lost");
    assert!(harness.session.changes("XRP-USD").is_err(), "it is not subscribed to");
}

#[test]
fn a_publisher_moves_from_session_to_session_and_its_readers_with_it() {
    let mut from = Harness::live(config(&[BTC, ETH]));
    let reader = from.session.bbo(BTC).unwrap();
    let publisher = from.session.release(BTC).unwrap();
    assert_eq!(reader.load(), None, "withdrawn before anyone else has it");
    let mut into = Harness::live(config(&[ETH]));
    into.session.subscribe_publishing(into.now, id(BTC), publisher).unwrap();
    into.drain();
    into.frame(&[snapshot(BTC, "bid 7 1, offer 8 1")]);
    assert_eq!(reader.load().unwrap().bid.unwrap().price, 7.into());
    from.assert_live(ETH, "100 1 / 101 2");
}

#[test]
fn a_snapshot_and_its_first_updates_may_share_a_frame() {
    let mut harness = Harness::new(config(&[BTC]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(BTC, "bid 1 1, offer 3 1"), update(BTC, "bid 2 1")]);
    harness.assert_live(BTC, "2 1 / 3 1");
    assert_eq!(harness.events(), [synced(BTC, 0)]);
}

#[test]
fn the_last_message_and_the_last_change_of_a_book_have_their_times() {
    let mut harness = Harness::new(config(&[BTC]));
    let asked = |harness: &Harness| {
        let product = harness.session.product(BTC).unwrap();
        (harness.session.last_frame(), product.last_change())
    };
    harness.open();
    harness.drain();
    assert_eq!(asked(&harness), (None, None));
    harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
    let changed = harness.now;
    harness.advance(SECOND);
    harness.frame(&[update(BTC, "bid 100 1")]);
    let came = harness.now;
    assert_eq!(asked(&harness), (Some(came), Some(changed)));
    harness.close_by_venue();
    assert_eq!(asked(&harness), (Some(came), None));
}

#[test]
fn a_time_that_cannot_be_read_is_published_as_none() {
    let mut harness = Harness::live(config(&[BTC]));
    for time in ["yesterday", ""] {
        let changed = update(BTC, "bid 100 5").replace("2026-11-02T00:00:00Z", time);
        harness.frame(&[changed]);
        harness.assert_live(BTC, "100 5 / 101 2");
        assert_eq!(harness.session.bbo(BTC).unwrap().load().unwrap().event_time, None);
    }
}

#[test]
fn dropping_the_session_withdraws_every_bbo() {
    let harness = Harness::live(config(&[BTC]));
    let reader = harness.readers[0].clone();
    assert!(reader.load().is_some());
    drop(harness);
    assert_eq!(reader.load(), None);
}
