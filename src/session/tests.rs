//! The session, rule by rule: what happened goes in, what is to be done comes out.
//!
//! Time is virtual: no test waits.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::book::{BookError, Level, Side};
use crate::wire::{Action, RefusalKind, RequestChannel};

mod answers;
mod redial;
mod shown;
mod tokens;

const BTC: &str = "BTC-USD";
const ETH: &str = "ETH-USD";

/// A session, the clock it is shown, and the venue's counter of frames.
struct Harness {
    session: Session,
    now: Instant,
    /// The number of the venue's next frame.
    sequence: u64,
    /// The readers of the products held at the start, as a strategy on another thread has them.
    readers: Vec<BboReader>,
}

impl Harness {
    fn new(config: SessionConfig) -> Self {
        let now = Instant::now();
        let session = Session::new(config, now);
        let readers = session.products().map(|product| product.bbo()).collect();
        Self { session, now, sequence: 0, readers }
    }

    /// Connects; what the session then asks for is still to be polled.
    fn open(&mut self) {
        let outputs = self.drain();
        assert!(outputs.contains(&Output::Connect), "expected a dial, got {outputs:?}");
        self.opened();
    }

    /// Reports that the dial succeeded. The venue's counter starts again.
    fn opened(&mut self) {
        self.sequence = 0;
        self.session.handle(self.now, Input::Opened);
    }

    /// Returns a connected session whose configured products are all live at 100 / 101.
    fn live(config: SessionConfig) -> Self {
        let mut harness = Self::new(config);
        harness.open();
        harness.drain();
        harness.sync_all();
        harness.drain();
        harness
    }

    /// Sends every product's snapshot and the acknowledgements, as the venue does.
    fn sync_all(&mut self) {
        let products = self.wire_names();
        for product in &products {
            self.frame(&[snapshot(product, "bid 100 1, offer 101 2")]);
        }
        self.ack(&products);
        self.ack(&products);
        assert!(self.session.is_synced());
    }

    /// Dials when the session says so, and syncs every product on the new connection.
    fn reconnect(&mut self) {
        self.advance_to_dial();
        self.opened();
        // After many connections in a row the rate of requests holds the first one back.
        self.advance(SECOND);
        self.sync_all();
        self.drain();
    }

    fn wire_names(&self) -> Vec<String> {
        let products = self.session.products();
        let names = products.map(|product| product.canonical_name().to_string());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Hands in a message as it is, and polls nothing.
    fn message(&mut self, text: &str) {
        self.session.handle(self.now, Input::Message(text.as_bytes()));
    }

    /// Hands in the venue's next frame, with these order-book events.
    fn frame(&mut self, events: &[String]) {
        let text = numbered("l2_data", self.next_number(), &events.join(","));
        self.message(&text);
    }

    fn ack(&mut self, products: &[impl AsRef<str>]) {
        let listed: Vec<String> =
            products.iter().map(|product| format!("\"{}\"", product.as_ref())).collect();
        let event = format!("{{\"subscriptions\":{{\"level2\":[{}]}}}}", listed.join(","));
        let text = numbered("subscriptions", self.next_number(), &event);
        self.message(&text);
    }

    fn heartbeat(&mut self) {
        let text = numbered("heartbeats", self.next_number(), "{\"heartbeat_counter\":7}");
        self.message(&text);
    }

    fn error(&mut self, message: &str) {
        self.message(&format!("{{\"type\":\"error\",\"message\":\"{message}\"}}"));
    }

    fn next_number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    /// Loses frames on their way from the venue.
    fn lose_frames(&mut self, count: u64) {
        self.sequence += count;
    }

    fn close_by_venue(&mut self) {
        let reason = Disconnect::ByVenue { code: Some(1012), reason: "restart".into() };
        self.session.handle(self.now, Input::Closed(reason));
    }

    /// Polls until there is nothing to do, and returns what was to be done before.
    fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            match self.session.poll(self.now) {
                Output::Wait(until) => {
                    assert!(until > self.now, "a wait that is over at once is a busy loop");
                    return outputs;
                }
                output => outputs.push(output),
            }
        }
    }

    fn events(&mut self) -> Vec<SessionEvent> {
        events_of(self.drain())
    }

    fn requests(&mut self) -> Vec<String> {
        requests_of(&self.drain())
    }

    /// Lets time pass with no word from the venue: sleeps as told, wakes when told.
    fn advance(&mut self, duration: Duration) -> Vec<Output> {
        let end = self.now + duration;
        let mut outputs = self.drain();
        loop {
            let Output::Wait(until) = self.session.poll(self.now) else {
                panic!("the session was drained");
            };
            if until > end {
                self.now = end;
                return outputs;
            }
            self.now = until;
            self.session.handle(self.now, Input::Timeout);
            outputs.extend(self.drain());
        }
    }

    /// Lets time pass while heartbeats come each second.
    fn advance_beating(&mut self, seconds: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..seconds {
            outputs.extend(self.advance(Duration::from_secs(1)));
            if self.session.is_connected() {
                self.heartbeat();
            }
        }
        outputs.extend(self.drain());
        outputs
    }

    /// Lets time pass, whatever happens, until the session dials.
    fn advance_to_dial(&mut self) -> Duration {
        let start = self.now;
        loop {
            match self.session.poll(self.now) {
                Output::Connect => return self.now - start,
                Output::Wait(until) => self.now = until,
                _ => {}
            }
        }
    }

    /// The best bid and ask that another thread sees, as `price size / price size`.
    fn best(&self, product: &str) -> Option<String> {
        let bbo = self.session.bbo(product).ok()?.load()?;
        let text = |level: Option<Level>| match level {
            Some(level) => format!("{} {}", level.price.normalize(), level.size.normalize()),
            None => "-".to_owned(),
        };
        Some(format!("{} / {}", text(bbo.bid), text(bbo.ask)))
    }

    #[track_caller]
    fn assert_live(&self, product: &str, best: &str) {
        assert_eq!(self.best(product).as_deref(), Some(best), "{product}");
        let book = self.session.book(product).unwrap();
        let bbo = self.session.bbo(product).unwrap().load().unwrap();
        assert_eq!((book.best_bid(), book.best_ask()), (bbo.bid, bbo.ask), "{product}");
        assert_eq!(self.session.product(product).unwrap().status(), Status::Live);
    }

    #[track_caller]
    fn assert_lost(&self, product: &str, cause: Cause) {
        assert_eq!(self.best(product), None, "{product} can still be read");
        let error = self.session.book(product).unwrap_err();
        assert!(matches!(error, NotLive::Lost { cause: c, .. } if c == cause), "{error:?}");
    }

    #[track_caller]
    fn assert_all_withdrawn(&self) {
        assert!(self.readers.iter().all(|reader| reader.load().is_none()));
        assert!(self.session.products().all(|product| product.book().is_err()));
        assert!(!self.session.is_synced());
    }
}

fn id(name: &str) -> ProductId {
    ProductId::new(name).unwrap()
}

/// Settings with another policy.
fn tuned(mut config: SessionConfig, tune: impl FnOnce(&mut Policy)) -> SessionConfig {
    tune(&mut config.policy);
    config
}

fn config(products: &[&str]) -> SessionConfig {
    SessionConfig::new(products.iter().map(|name| id(name)))
}

fn resubscribing(products: &[&str]) -> SessionConfig {
    tuned(config(products), |policy| policy.resync = Resync::Resubscribe)
}

fn numbered(channel: &str, sequence: u64, event: &str) -> String {
    format!(
        "{{\"channel\":\"{channel}\",\"timestamp\":\"2026-11-02T00:00:00.05Z\",\
         \"sequence_num\":{sequence},\"events\":[{event}]}}"
    )
}

/// An event of levels written as `bid 100 1, offer 101 2`.
fn event(kind: &str, product: &str, levels: &str) -> String {
    let level = |level: &str| {
        let mut words = level.split_whitespace();
        let mut word = || words.next().unwrap();
        format!(
            "{{\"side\":\"{}\",\"event_time\":\"2026-11-02T00:00:00Z\",\"price_level\":\"{}\",\
             \"new_quantity\":\"{}\"}}",
            word(),
            word(),
            word()
        )
    };
    let levels = levels.split(',').filter(|level| !level.trim().is_empty());
    let levels: Vec<String> = levels.map(level).collect();
    let levels = levels.join(",");
    format!("{{\"type\":\"{kind}\",\"product_id\":\"{product}\",\"updates\":[{levels}]}}")
}

fn snapshot(product: &str, levels: &str) -> String {
    event("snapshot", product, levels)
}

fn update(product: &str, levels: &str) -> String {
    event("update", product, levels)
}

fn events_of(outputs: Vec<Output>) -> Vec<SessionEvent> {
    let event = |output| if let Output::Event(event) = output { Some(event) } else { None };
    outputs.into_iter().filter_map(event).collect()
}

/// The requests among the outputs, as `subscribe level2 A,B`.
fn requests_of(outputs: &[Output]) -> Vec<String> {
    let request = |output: &Output| {
        let Output::Send(request) = output else { return None };
        let action = match request.action {
            Action::Subscribe => "subscribe",
            Action::Unsubscribe => "unsubscribe",
        };
        let products: Vec<&str> = request.products.iter().map(ProductId::as_str).collect();
        Some(match request.channel {
            RequestChannel::Heartbeats => format!("{action} heartbeats"),
            RequestChannel::Level2 => format!("{action} level2 {}", products.join(",")),
        })
    };
    outputs.iter().filter_map(request).collect()
}

fn lost(product: &str, cause: Cause) -> SessionEvent {
    SessionEvent::Lost { product: id(product), cause }
}

fn synced(product: &str, sequence: u64) -> SessionEvent {
    SessionEvent::Synced { product: id(product), sequence }
}

fn count_lost(events: &[SessionEvent], name: &str) -> usize {
    let is_it = |event: &&SessionEvent| matches!(event, SessionEvent::Lost { product, .. } if *product == name);
    events.iter().filter(is_it).count()
}

impl PartialEq<&str> for ProductId {
    fn eq(&self, name: &&str) -> bool {
        self.as_str() == *name
    }
}

const SECOND: Duration = Duration::from_secs(1);

// The way to a live book.

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
fn the_levels_that_a_frame_changed_are_told_to_those_who_asked() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.frame(&[update(BTC, "bid 99 3")]);
    assert_eq!(harness.session.changes(BTC).count(), 0, "nobody asked");
    harness.session.collect_changes(true);
    let text = |change: LevelChange| match change.size {
        Some(size) => format!("{} {} {size}", change.side, change.price),
        None => format!("{} {} gone", change.side, change.price),
    };
    let told = |harness: &Harness, name| -> Vec<String> {
        harness.session.changes(name).map(text).collect()
    };
    // The venue's usual frame, of one event, takes a way of its own.
    harness.frame(&[update(BTC, "bid 99 3, bid 97 1")]);
    assert_eq!(told(&harness, BTC), ["bid 97 1"]);
    assert_eq!(harness.session.stats().general_frames, 0);
    // Unchanged, changed, absent, removed, new, and another product's.
    let levels = "bid 99 3, bid 100 5, bid 98 0, bid 99 0, offer 102 4";
    harness.frame(&[update(BTC, levels), update(ETH, "bid 100 9")]);
    assert_eq!(told(&harness, BTC), ["bid 100 5", "bid 99 gone", "ask 102 4"]);
    assert_eq!(told(&harness, ETH), ["bid 100 9"]);
    harness.session.handle(harness.now, Input::Held(harness.now + SECOND));
    harness.session.handle(harness.now, Input::Timeout);
    assert_eq!(told(&harness, ETH), ["bid 100 9"], "only a message makes another last one");
    harness.heartbeat();
    assert_eq!(harness.session.changes(BTC).count(), 0, "the last message changed nothing");
    harness.frame(&[update(BTC, "bid 100 6"), snapshot(BTC, "bid 1 1"), update(BTC, "bid 2 1")]);
    assert_eq!(told(&harness, BTC), ["bid 2 1"], "a snapshot changes everything");
    harness.frame(&[update(BTC, "bid 2 2, bid 3 -1")]);
    assert_eq!(harness.session.changes(BTC).count(), 0, "the book is lost");
}

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
fn what_has_to_wait_for_its_turn_has_a_deadline_from_there() {
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
fn when_a_frame_came_last_and_when_a_book_changed_last_can_be_asked() {
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
fn a_status_is_told_in_words() {
    let statuses = [Status::Syncing, Status::Live, Status::Lost(Cause::NoSnapshot)];
    assert_eq!(
        statuses.map(|status| status.to_string()),
        ["syncing", "live", "lost (no_snapshot)"]
    );
    assert_eq!(format!("{:>8}", Status::Live), "    live");
    let lost = NotLive::Lost { product: id(BTC), cause: Cause::Gap, since: Instant::now() };
    assert_eq!(lost.to_string(), "BTC-USD has no live book: it was lost (gap)");
}

#[test]
fn products_nobody_asked_for_get_no_book() {
    let mut harness = Harness::live(config(&[BTC]));
    for number in 0..1_000 {
        harness.frame(&[snapshot(&format!("P{number}-EUR"), "bid 1 1")]);
    }
    assert_eq!(harness.session.stats().unasked, 1_000);
    assert_eq!(harness.session.products().count(), 1);
    assert!(matches!(harness.session.book("P7-EUR"), Err(NotLive::Unknown(_))));
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn event_times_never_decide_anything() {
    let mut harness = Harness::live(config(&[BTC]));
    for time in ["1970-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "yesterday", ""] {
        let changed = update(BTC, "bid 100 5").replace("2026-11-02T00:00:00Z", time);
        harness.frame(&[changed]);
        harness.assert_live(BTC, "100 5 / 101 2");
    }
    assert_eq!(harness.session.bbo(BTC).unwrap().load().unwrap().event_time, None);
}

// Numbers.

#[test]
fn a_gap_withdraws_every_book_before_anything_else() {
    for resync in [Resync::Reconnect, Resync::Resubscribe, Resync::Passive] {
        let mut harness = Harness::live(tuned(config(&[BTC, ETH]), |policy| {
            policy.resync = resync;
        }));
        harness.lose_frames(1);
        harness.frame(&[update(BTC, "bid 100 5")]);
        harness.assert_all_withdrawn();
        harness.assert_lost(BTC, Cause::Gap);
        harness.assert_lost(ETH, Cause::Gap);
        let events = harness.events();
        assert_eq!(events[..2], [lost(BTC, Cause::Gap), lost(ETH, Cause::Gap)], "{resync:?}");
        assert_eq!(harness.session.stats().gaps, 1);
        let of_product = harness.session.product(BTC).unwrap().stats();
        assert_eq!((of_product.losses, of_product.gaps), (1, 1));
    }
}

#[test]
fn a_gap_is_noticed_on_a_frame_of_any_channel() {
    for channel in ["heartbeats", "subscriptions", "candles"] {
        let mut harness = Harness::live(resubscribing(&[BTC]));
        let event = "{\"subscriptions\":{\"level2\":[\"BTC-USD\"]}}";
        harness.message(&numbered(channel, harness.sequence, event));
        harness.assert_live(BTC, "100 1 / 101 2");
        harness.message(&numbered(channel, harness.sequence + 2, event));
        harness.assert_all_withdrawn();
    }
}

#[test]
fn a_gap_makes_a_new_connection_by_default() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.lose_frames(3);
    harness.heartbeat();
    let outputs = harness.drain();
    assert_eq!(outputs[0], Output::Disconnect);
    let reason = Disconnect::ForResync(Cause::Gap);
    assert!(outputs.contains(&Output::Event(SessionEvent::Disconnected { reason })));
    harness.advance_to_dial();
    harness.opened();
    assert_eq!(harness.requests()[0], "subscribe level2 BTC-USD", "nothing to unsubscribe");
    harness.sync_all();
    harness.assert_live(BTC, "100 1 / 101 2");
    let stats = harness.session.stats();
    assert_eq!((stats.resyncs, stats.reconnects), (1, 1));
    assert_eq!(harness.session.product(BTC).unwrap().stats().resyncs, 1);
}

#[test]
fn a_gap_can_be_healed_on_the_same_connection() {
    let mut harness = Harness::live(resubscribing(&[BTC, ETH]));
    harness.advance_beating(3);
    harness.lose_frames(1);
    harness.heartbeat();
    assert_eq!(
        harness.requests(),
        ["unsubscribe level2 BTC-USD,ETH-USD", "subscribe level2 BTC-USD,ETH-USD"]
    );
    harness.frame(&[update(BTC, "bid 100 5")]);
    assert_eq!(harness.session.stats().awaiting, 1, "an update on its way is of no use");
    harness.ack(&[] as &[&str]);
    harness.frame(&[snapshot(ETH, "bid 7 1, offer 8 1")]);
    harness.assert_live(ETH, "7 1 / 8 1");
    assert_eq!(harness.best(BTC), None, "only its own snapshot heals a product");
    harness.frame(&[snapshot(BTC, "bid 9 1")]);
    harness.ack(&[BTC, ETH]);
    assert!(harness.session.is_synced());
    assert_eq!(harness.session.stats().reconnects, 0);
    assert_eq!(harness.session.stats().resyncs, 2);
}

#[test]
fn a_snapshot_that_shows_a_gap_heals_its_own_product() {
    let mut harness = Harness::live(resubscribing(&[BTC, ETH]));
    harness.lose_frames(1);
    harness.frame(&[snapshot(BTC, "bid 5 1")]);
    harness.assert_live(BTC, "5 1 / -");
    harness.assert_lost(ETH, Cause::Gap);
    assert_eq!(harness.events()[..2], [lost(BTC, Cause::Gap), lost(ETH, Cause::Gap)]);
    harness.frame(&[update(BTC, "bid 6 1")]);
    harness.assert_live(BTC, "6 1 / -");
}

#[test]
fn a_duplicate_is_counted_and_not_applied() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.frame(&[update(BTC, "bid 100 5")]);
    let number = harness.sequence - 1;
    for older in [number, number - 1, 1] {
        harness.message(&numbered("l2_data", older, &update(BTC, "bid 100 9")));
        harness.assert_live(BTC, "100 5 / 101 2");
    }
    let bbo = harness.session.bbo(BTC).unwrap().load().unwrap();
    assert_eq!(bbo.sequence, number);
    assert_eq!(harness.session.stats().duplicates, 3);
    harness.frame(&[update(BTC, "bid 100 6")]);
    harness.assert_live(BTC, "100 6 / 101 2");
}

#[test]
fn two_frames_that_change_places_cost_one_resync() {
    let mut harness = Harness::live(resubscribing(&[BTC]));
    harness.advance_beating(3);
    let first = numbered("l2_data", harness.next_number(), &update(BTC, "bid 100 5"));
    let second = numbered("l2_data", harness.next_number(), &update(BTC, "bid 100 6"));
    harness.message(&second);
    harness.message(&first);
    harness.assert_all_withdrawn();
    let outputs = harness.drain();
    assert_eq!(requests_of(&outputs).len(), 2);
    assert_eq!(count_lost(&events_of(outputs), BTC), 1);
    harness.frame(&[snapshot(BTC, "bid 100 6")]);
    harness.assert_live(BTC, "100 6 / -");
    assert_eq!(harness.events(), [synced(BTC, harness.sequence - 1)]);
    let stats = harness.session.stats();
    assert_eq!((stats.gaps, stats.duplicates, stats.resyncs), (1, 1, 1));
}

#[test]
fn a_counter_that_starts_again_loses_every_book() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.sequence = 0;
    harness.frame(&[update(BTC, "bid 100 5")]);
    harness.assert_all_withdrawn();
    harness.assert_lost(ETH, Cause::Reset);
    assert_eq!(harness.session.stats().resets, 1);
}

#[test]
fn a_counter_that_starts_again_above_zero_is_found_out() {
    let mut harness = Harness::live(config(&[BTC]));
    for _ in 0..100 {
        harness.heartbeat();
    }
    for number in 1..=8 {
        harness.message(&numbered("l2_data", number, &update(BTC, "bid 100 5")));
        harness.assert_live(BTC, "100 1 / 101 2");
    }
    harness.message(&numbered("l2_data", 9, &update(BTC, "bid 100 5")));
    harness.assert_lost(BTC, Cause::Reset);
}

#[test]
fn error_frames_have_no_number_and_make_no_gap() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.frame(&[update(BTC, "bid 100 5")]);
    harness.error("failure to subscribe");
    harness.frame(&[update(BTC, "bid 100 6")]);
    harness.assert_live(BTC, "100 6 / 101 2");
    assert_eq!(harness.session.stats().refused, 1);
}

#[test]
fn a_new_connection_counts_from_anywhere() {
    let mut harness = Harness::new(config(&[BTC]));
    harness.open();
    harness.drain();
    harness.sequence = 246;
    harness.sync_all();
    harness.assert_live(BTC, "100 1 / 101 2");
    harness.close_by_venue();
    harness.reconnect();
    assert_eq!(harness.session.stats().gaps + harness.session.stats().resets, 0);
}

// Messages that cannot be read.

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
fn the_frame_after_an_unreadable_one_does_not_report_the_same_loss_again() {
    let mut harness = Harness::live(resubscribing(&[BTC]));
    harness.advance_beating(3);
    harness.lose_frames(1);
    harness.message("{\"channel\":\"l2_da");
    assert_eq!(count_lost(&harness.events(), BTC), 1);
    harness.heartbeat();
    harness.frame(&[update(BTC, "bid 100 5")]);
    assert_eq!(harness.events(), []);
    assert_eq!(harness.session.stats().gaps, 0);
    harness.frame(&[snapshot(BTC, "bid 1 1")]);
    harness.assert_live(BTC, "1 1 / -");
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

// Faults of one product.

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
fn numbers_with_exponents_are_read_exactly() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.frame(&[snapshot(BTC, "bid 9.7e-7 1E+2, offer 1e5 2.50")]);
    harness.assert_live(BTC, "0.00000097 100 / 100000 2.5");
}

#[test]
fn a_book_beyond_its_bound_is_lost_and_its_error_told() {
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

#[test]
fn a_book_may_cross_within_a_frame_but_not_after_it() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.frame(&[update(BTC, "bid 105 1, offer 101 0, offer 106 1")]);
    harness.assert_live(BTC, "105 1 / 106 1");
    harness.frame(&[update(BTC, "bid 106 1")]);
    harness.assert_lost(BTC, Cause::Crossed);
    harness.assert_live(ETH, "100 1 / 101 2");
    assert_eq!(harness.session.stats().crossed, 1);
}

#[test]
fn a_crossed_snapshot_is_never_shown() {
    let mut harness = Harness::new(config(&[BTC]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(BTC, "bid 101 1, offer 100 1")]);
    harness.assert_lost(BTC, Cause::Crossed);
    assert_eq!(harness.events(), [lost(BTC, Cause::Crossed)]);
}

#[test]
fn a_lost_book_is_asked_for_again_no_sooner_than_two_seconds_after() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.frame(&[update(BTC, "bid 500 1")]);
    assert_eq!(harness.requests(), [""; 0]);
    harness.heartbeat();
    assert_eq!(requests_of(&harness.advance(Duration::from_millis(1_999))), [""; 0]);
    let outputs = harness.advance(Duration::from_millis(1));
    assert_eq!(
        requests_of(&outputs),
        ["unsubscribe level2 BTC-USD", "subscribe level2 BTC-USD"],
        "only the product that was lost"
    );
    assert!(outputs.contains(&Output::Event(SessionEvent::Requested { product: id(BTC) })));
    assert!(matches!(harness.session.book(BTC), Err(NotLive::Syncing { .. })));
}

#[test]
fn a_book_lost_again_and_again_costs_the_connection_after_three_tries() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    for _ in 0..3 {
        harness.frame(&[update(BTC, "bid 500 1")]);
        let outputs = harness.advance_beating(2);
        assert_eq!(requests_of(&outputs).len(), 2);
        harness.frame(&[snapshot(BTC, "bid 100 1, offer 101 2")]);
        harness.assert_live(BTC, "100 1 / 101 2");
        harness.assert_live(ETH, "100 1 / 101 2");
    }
    harness.frame(&[update(BTC, "bid 500 1")]);
    harness.assert_all_withdrawn();
    let reason = Disconnect::ForResync(Cause::Crossed);
    assert!(harness.events().contains(&SessionEvent::Disconnected { reason }));
}

#[test]
fn a_book_that_no_connection_heals_costs_only_one_and_is_asked_for_ever_more_seldom() {
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
fn a_snapshot_in_the_first_half_of_a_frame_that_loses_everything_is_gone_too() {
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
fn what_was_held_on_one_connection_is_asked_for_at_once_on_the_next() {
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
fn a_snapshot_that_does_not_come_is_asked_for_again_and_then_elsewhere() {
    let mut harness = Harness::new(config(&[BTC, ETH]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(ETH, "bid 1 1")]);
    harness.ack(&[BTC, ETH]);
    harness.ack(&[BTC, ETH]);
    harness.drain();
    for attempt in 0..3 {
        assert_eq!(requests_of(&harness.advance_beating(9)), [""; 0], "attempt {attempt}");
        let outputs = harness.advance_beating(1);
        let again = ["unsubscribe level2 BTC-USD", "subscribe level2 BTC-USD"];
        assert_eq!(requests_of(&outputs), again, "attempt {attempt}");
        assert!(outputs.contains(&Output::Event(lost(BTC, Cause::NoSnapshot))));
        harness.assert_live(ETH, "1 1 / -");
        harness.ack(&[ETH]);
        harness.ack(&[BTC, ETH]);
        harness.drain();
    }
    let events = events_of(harness.advance_beating(10));
    let reason = Disconnect::ForResync(Cause::NoSnapshot);
    assert!(events.contains(&SessionEvent::Disconnected { reason }), "{events:?}");
    harness.assert_all_withdrawn();
}

#[test]
fn each_product_has_its_own_time_to_send_its_snapshot() {
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
fn an_update_before_the_first_snapshot_is_a_fault_of_its_product() {
    let mut harness = Harness::new(config(&[BTC, ETH]));
    harness.open();
    harness.drain();
    harness.frame(&[snapshot(ETH, "bid 1 1")]);
    harness.frame(&[update(BTC, "bid 1 1")]);
    harness.assert_lost(BTC, Cause::Premature);
    harness.assert_live(ETH, "1 1 / -");
    let outputs = harness.advance_beating(2);
    assert_eq!(requests_of(&outputs).len(), 2);
    harness.frame(&[update(BTC, "bid 1 1")]);
    assert_eq!(harness.events(), [], "updates of the first subscription may still be on the way");
    harness.frame(&[snapshot(BTC, "bid 2 1")]);
    harness.assert_live(BTC, "2 1 / -");
}

#[test]
fn a_snapshot_between_unsubscribing_and_subscribing_is_not_taken() {
    let mut harness = Harness::live(resubscribing(&[BTC]));
    harness.advance_beating(3);
    harness.lose_frames(1);
    harness.heartbeat();
    let Output::Send(request) = harness.session.poll(harness.now) else { panic!("no request") };
    assert_eq!(request.action, Action::Unsubscribe);
    harness.frame(&[snapshot(BTC, "bid 5 1")]);
    assert_eq!(harness.best(BTC), None, "no updates will follow that snapshot");
    assert_eq!(harness.requests(), ["subscribe level2 BTC-USD"]);
    harness.frame(&[snapshot(BTC, "bid 6 1")]);
    harness.assert_live(BTC, "6 1 / -");
}

// Silence.

#[test]
fn silence_withdraws_every_book_and_makes_a_new_connection() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.advance(Duration::from_millis(4_999));
    harness.assert_live(BTC, "100 1 / 101 2");
    let outputs = harness.advance(Duration::from_millis(1));
    harness.assert_all_withdrawn();
    harness.assert_lost(ETH, Cause::Idle);
    assert_eq!(outputs[0], Output::Disconnect);
    let reason = Disconnect::Idle(Duration::from_secs(5));
    assert!(outputs.contains(&Output::Event(SessionEvent::Disconnected { reason })));
}

#[test]
fn any_frame_shows_that_the_connection_lives() {
    let mut harness = Harness::live(config(&[BTC]));
    let outputs = harness.advance_beating(29);
    assert_eq!(outputs, [], "an idle market is legal");
    harness.assert_live(BTC, "100 1 / 101 2");
    assert_eq!(harness.session.stats().heartbeats, 29);
}

#[test]
fn after_a_jump_of_the_clock_the_late_message_is_not_applied() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.now += Duration::from_secs(3_600);
    harness.frame(&[update(BTC, "bid 100 5")]);
    harness.assert_all_withdrawn();
    harness.assert_lost(BTC, Cause::Idle);
    assert_eq!(harness.session.stats().late, 1);
    assert_eq!(harness.drain()[0], Output::Disconnect);
    harness.reconnect();
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn after_a_jump_of_the_clock_the_first_poll_withdraws_too() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.now += Duration::from_secs(3_600);
    assert_eq!(harness.session.poll(harness.now), Output::Disconnect);
    harness.assert_all_withdrawn();
}

#[test]
fn a_quiet_product_is_told_of_once_and_stays_live() {
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
fn a_product_that_falls_quiet_a_second_time_is_told_of_again() {
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
fn a_limit_of_quiet_makes_it_a_loss() {
    let quiet_limit = Some(Duration::from_secs(60));
    let mut harness = Harness::live(tuned(config(&[BTC, ETH]), |policy| {
        policy.quiet_limit = quiet_limit;
    }));
    for _ in 0..59 {
        harness.frame(&[update(ETH, "bid 99 1"), update(ETH, "bid 99 0")]);
        harness.advance(SECOND);
    }
    harness.assert_live(BTC, "100 1 / 101 2");
    let outputs = harness.advance(SECOND);
    assert!(outputs.contains(&Output::Event(lost(BTC, Cause::Quiet))));
    assert_eq!(requests_of(&outputs), ["unsubscribe level2 BTC-USD", "subscribe level2 BTC-USD"]);
    harness.assert_live(ETH, "100 1 / 101 2");
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

// What the venue refuses.

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
fn a_refusal_is_told_in_the_venues_words() {
    let mut harness = Harness::live(config(&[BTC]));
    harness.error("failure to subscribe");
    let (kind, message) = (RefusalKind::Other, "failure to subscribe".into());
    assert_eq!(harness.events(), [SessionEvent::Refused { kind, message }]);
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn a_product_that_is_not_listed_is_told_of_and_asked_for_ever_more_seldom() {
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

// The connection.

#[test]
fn a_closed_connection_withdraws_every_book_and_is_dialled_again() {
    let mut harness = Harness::live(config(&[BTC, ETH]));
    harness.close_by_venue();
    harness.assert_all_withdrawn();
    harness.assert_lost(BTC, Cause::Closed);
    let outputs = harness.drain();
    assert!(!outputs.contains(&Output::Disconnect), "there is nothing left to drop");
    let reason = Disconnect::ByVenue { code: Some(1012), reason: "restart".into() };
    assert!(outputs.contains(&Output::Event(SessionEvent::Disconnected { reason })));
    harness.frame(&[snapshot(BTC, "bid 1 1")]);
    assert_eq!(harness.best(BTC), None, "a message of a dead connection");
    assert_eq!(harness.session.stats().late, 1);
    harness.reconnect();
    harness.assert_live(ETH, "100 1 / 101 2");
}

fn dial_failed() -> Input<'static> {
    let (stage, error) = (DialStage::Tcp, "refused".into());
    Input::Closed(Disconnect::NotConnected { stage, error })
}

#[test]
fn a_failed_dial_is_told_and_made_again() {
    let mut harness = Harness::new(config(&[BTC]));
    assert_eq!(harness.drain(), [Output::Connect]);
    harness.session.handle(harness.now, dial_failed());
    let events = harness.events();
    assert!(
        matches!(
            &events[..],
            [.., SessionEvent::Disconnected { reason: Disconnect::NotConnected { .. } }]
        ),
        "{events:?}"
    );
    harness.reconnect();
    harness.assert_live(BTC, "100 1 / 101 2");
    assert_eq!(harness.session.stats().reconnects, 1);
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
fn an_opening_nobody_asked_for_changes_nothing() {
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
fn a_venue_that_opens_and_closes_is_dialled_ever_more_seldom() {
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

#[test]
fn a_session_that_may_not_dial_for_ever_gives_up_and_says_so() {
    let max_failed_dials = NonZeroU32::new(3);
    let mut harness = Harness::new(tuned(config(&[BTC]), |policy| {
        policy.max_failed_dials = max_failed_dials;
    }));
    harness.advance_to_dial();
    harness.session.handle(harness.now, dial_failed());
    harness.advance_to_dial();
    harness.session.handle(harness.now, dial_failed());
    harness.reconnect();
    assert!(!harness.session.is_ended(), "a dial that succeeds starts the count over");
    harness.close_by_venue();
    for _ in 0..3 {
        assert!(!harness.session.is_ended());
        harness.advance_to_dial();
        harness.session.handle(harness.now, dial_failed());
    }
    assert!(harness.session.is_ended());
    let events = harness.events();
    assert_eq!(events.last(), Some(&SessionEvent::GaveUp { failed_dials: 3 }));
    assert_eq!(harness.advance(Duration::from_secs(100_000)), []);
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

#[test]
fn dropping_the_session_takes_the_best_back() {
    let harness = Harness::live(config(&[BTC]));
    let reader = harness.readers[0].clone();
    assert!(reader.load().is_some());
    drop(harness);
    assert_eq!(reader.load(), None);
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

// Requests.

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
fn a_session_without_products_does_not_dial_until_it_has_one() {
    let mut harness = Harness::new(config(&[]));
    assert!(!harness.session.is_synced());
    assert_eq!(harness.advance(Duration::from_secs(10_000)), []);
    harness.session.subscribe(harness.now, id(BTC)).unwrap();
    harness.reconnect();
    harness.assert_live(BTC, "100 1 / 101 2");
}

#[test]
fn what_is_to_be_ended_is_ended_as_soon_as_the_rate_allows_even_if_frames_are_lost() {
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

// Names.

#[test]
fn a_frame_under_the_venues_name_is_for_the_name_asked_for() {
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
fn an_alias_is_learnt_from_the_acknowledgement() {
    let mut harness = Harness::new(config(&["BTC-USDC"]));
    harness.open();
    harness.drain();
    harness.ack(&[BTC]);
    let (product, canonical) = (id("BTC-USDC"), id(BTC));
    assert_eq!(harness.events(), [SessionEvent::Aliased { product, canonical }]);
    harness.frame(&[snapshot(BTC, "bid 100 1")]);
    harness.assert_live("BTC-USDC", "100 1 / -");
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
fn a_configured_alias_is_asked_for_under_the_venues_name() {
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

// Recordings.

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

#[test]
fn a_recording_with_a_gap_waits_for_the_next_snapshot() {
    let mut harness = Harness::new(SessionConfig::recording());
    harness.open();
    harness.frame(&[snapshot(BTC, "bid 7 1")]);
    harness.lose_frames(5);
    for _ in 0..100 {
        harness.frame(&[update(BTC, "bid 100 1")]);
        harness.assert_lost(BTC, Cause::Gap);
    }
    assert_eq!(harness.requests(), [""; 0]);
    harness.frame(&[snapshot(BTC, "bid 8 1")]);
    harness.assert_live(BTC, "8 1 / -");
    assert_eq!(harness.session.stats().resyncs, 1);
}

// Numbers for each product.

fn per_product(products: &[&str]) -> SessionConfig {
    tuned(resubscribing(products), |policy| policy.sequence_scope = SequenceScope::Product)
}

/// A connection on which each product has its own numbers.
fn live_per_product() -> Harness {
    let mut harness = Harness::new(per_product(&[BTC, ETH]));
    harness.open();
    harness.drain();
    for product in [BTC, ETH] {
        let event = snapshot(product, "bid 100 1, offer 101 2");
        harness.message(&numbered("l2_data", 10, &event));
    }
    harness.drain();
    harness
}

#[test]
fn where_each_product_has_its_own_numbers_a_gap_is_its_own() {
    let mut harness = live_per_product();
    harness.message(&numbered("l2_data", 11, &update(BTC, "bid 100 2")));
    harness.message(&numbered("l2_data", 11, &update(ETH, "bid 100 3")));
    harness.message(&numbered("heartbeats", 900, "{}"));
    harness.assert_live(BTC, "100 2 / 101 2");
    harness.message(&numbered("l2_data", 13, &update(BTC, "bid 100 4")));
    harness.assert_lost(BTC, Cause::Gap);
    harness.assert_live(ETH, "100 3 / 101 2");
    assert_eq!(harness.session.stats().gaps, 1);
}

#[test]
fn a_duplicate_of_one_product_leaves_what_is_published_as_it_is() {
    let mut harness = live_per_product();
    harness.message(&numbered("l2_data", 11, &update(BTC, "bid 100 2")));
    let published = harness.session.bbo(BTC).unwrap().load();
    harness.now += SECOND;
    harness.message(&numbered("l2_data", 10, &update(BTC, "bid 100 1")));
    assert_eq!(harness.session.bbo(BTC).unwrap().load(), published);
    assert_eq!(harness.session.stats().duplicates, 1);
}

// Bounds and counts.

#[test]
fn a_caller_that_does_not_poll_is_told_how_much_it_missed() {
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
    assert_eq!(harness.events(), [], "told once");
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
fn counters_never_go_back() {
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
}
