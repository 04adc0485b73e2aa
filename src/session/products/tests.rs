//! Products alone: their names, requests, losses and timers, without a connection.

use std::time::Duration;

use super::*;
use crate::bbo::bbo_channel;
use crate::session::status::Status;
use crate::wire::{Body, Decoder};

const BTC: &str = "BTC-USD";
const ETH: &str = "ETH-USD";
const SECOND: Duration = Duration::from_secs(1);

fn id(name: &str) -> ProductId {
    ProductId::new(name).unwrap()
}

/// Products of a policy, and the clock they are shown.
struct Shelf {
    products: Products,
    policy: Policy,
    now: Instant,
    sequence: u64,
}

impl Shelf {
    fn new(names: &[&str]) -> Self {
        let policy = Policy { resync: Resync::Resubscribe, ..Policy::default() };
        let products = Products::new(1_000, policy.max_levels_per_side);
        let mut shelf = Self { products, policy, now: Instant::now(), sequence: 0 };
        for name in names {
            assert_eq!(shelf.add(name), Ok(Added::Product));
        }
        shelf
    }

    /// Products whose snapshots were requested on a connection by its first request.
    fn requested(names: &[&str]) -> Self {
        let mut shelf = Self::new(names);
        shelf.products.begin(shelf.policy.resync, shelf.now);
        shelf.request(1);
        shelf
    }

    fn add(&mut self, name: &str) -> Result<Added, TooManyProducts> {
        self.add_as(name, name)
    }

    fn add_as(&mut self, name: &str, wire_name: &str) -> Result<Added, TooManyProducts> {
        let (publisher, _) = bbo_channel(self.now.into());
        self.products.add(Name::new(id(name), publisher), id(wire_name), None, self.now)
    }

    fn request(&mut self, number: u64) -> Vec<ProductId> {
        let mut ended = Vec::new();
        self.products.take_unsubscribes(self.now, &mut ended);
        self.products.take_subscribes(self.now, number, &self.policy, |_| {})
    }

    /// Applies and finishes a frame of one event for the product of this name.
    fn frame(&mut self, kind: &str, product: &str, levels: &str) -> Finished {
        let text = format!(
            "{{\"channel\":\"l2_data\",\"timestamp\":\"2026-11-02T00:00:00.05Z\",\
             \"sequence_num\":{},\"events\":[{{\"type\":\"{kind}\",\
             \"product_id\":\"{product}\",\"updates\":[{levels}]}}]}}",
            self.sequence
        );
        let mut decoder = Decoder::new();
        let frame = decoder.decode(text.as_bytes()).unwrap();
        let Body::Level2 { mut updates, sequence } = frame.body() else { panic!("no levels") };
        let update = updates.next().unwrap().unwrap();
        let index = self.products.find_in_frame(&update).unwrap();
        let mut touched = Touched::new(index, false);
        let (mut log, mut stats) = (ChangeLog::default(), Stats::default());
        self.products.apply(&update, &mut touched, &mut log, &mut stats).unwrap();
        let mark = FrameMark { sequence, connection: 0, received: self.now };
        let mut times = TimeReader::default();
        let finished = self.products.finish(&touched, mark, &mut times, &self.policy);
        if finished == Finished::Synced {
            self.products.synced(index, self.now, &self.policy);
        }
        self.sequence += 1;
        finished
    }

    fn sync(&mut self, product: &str) {
        assert_eq!(self.frame("snapshot", product, &level("bid", "9")), Finished::Synced);
    }

    fn status(&self, name: &str) -> Status {
        self.products.at(self.products.find(name).unwrap()).status()
    }

    fn expired(&mut self) -> Vec<(usize, Expired)> {
        let all = 0..self.products.len();
        all.filter_map(|index| {
            let expired = self.products.expire(index, self.now, &self.policy)?;
            Some((index, expired))
        })
        .collect()
    }

    fn names(&self) -> Vec<Vec<&str>> {
        self.products
            .iter()
            .map(|it| it.names().iter().map(|name| name.id().as_str()).collect())
            .collect()
    }
}

fn level(side: &str, price: &str) -> String {
    format!(
        "{{\"side\":\"{side}\",\"event_time\":\"2026-11-02T00:00:00Z\",\
         \"price_level\":\"{price}\",\"new_quantity\":\"1\"}}"
    )
}

// Names.

#[test]
fn a_product_is_added_once_and_up_to_the_bound() {
    let mut shelf = Shelf::new(&[BTC]);
    shelf.products.max_products = 2;
    assert_eq!(shelf.add(BTC), Ok(Added::Known));
    assert_eq!(shelf.add_as("XBT-USD", BTC), Ok(Added::Name { index: 0 }));
    assert_eq!(shelf.add(ETH), Ok(Added::Product));
    let full = TooManyProducts { product: id("SOL-USD"), max_products: 2 };
    assert_eq!(shelf.add("SOL-USD"), Err(full));
    assert_eq!(shelf.add(ETH), Ok(Added::Known), "full or not");
    assert_eq!(shelf.add_as("XETH-USD", ETH), Ok(Added::Name { index: 1 }), "it needs no room");
    assert_eq!(shelf.names(), [[BTC, "XBT-USD"], [ETH, "XETH-USD"]]);
}

#[test]
fn a_product_leaves_with_its_last_name_and_ends_what_was_requested() {
    let mut shelf = Shelf::requested(&[BTC, ETH]);
    shelf.add_as("XBT-USD", BTC).unwrap();
    assert!(shelf.products.remove("SOL-USD").is_none());
    let first = shelf.products.remove(BTC).unwrap();
    assert_eq!(first.to_end, None, "the other name still needs it");
    assert!(shelf.products.remove(BTC).is_none(), "only under a name that was requested");
    assert_eq!(shelf.products.find(BTC), Some(0), "it is found by its name on the wire");
    let last = shelf.products.remove("XBT-USD").unwrap();
    assert_eq!(last.to_end, Some(id(BTC)));
    assert_eq!((shelf.products.find(BTC), shelf.products.find(ETH)), (None, Some(0)));
    shelf.add("SOL-USD").unwrap();
    assert_eq!(shelf.products.remove("SOL-USD").unwrap().to_end, None, "it was not requested");
}

#[test]
fn a_reader_of_a_name_that_leaves_is_withdrawn() {
    let mut shelf = Shelf::requested(&[BTC]);
    shelf.sync(BTC);
    let reader = shelf.products.at(0).first_name().reader();
    assert!(reader.load().is_some());
    let removed = shelf.products.remove(BTC).unwrap();
    assert_eq!(reader.load(), None, "while its publisher is still there");
    drop(removed);
}

#[test]
fn a_product_takes_the_name_that_the_venue_answers_under() {
    let mut shelf = Shelf::new(&["BTC-USDC", ETH]);
    assert_eq!(shelf.products.rename(0, &id(BTC)).0, 0);
    assert_eq!(shelf.products.at(0).wire_name(), &id(BTC));
    assert_eq!(
        [BTC, "BTC-USDC", ETH].map(|name| shelf.products.find(name)),
        [Some(0), Some(0), Some(1)]
    );
}

#[test]
fn two_names_of_one_market_become_one_product() {
    for names in [["BTC-USDC", ETH, BTC], [BTC, ETH, "BTC-USDC"]] {
        let mut shelf = Shelf::requested(&names);
        shelf.sync(BTC);
        let from = shelf.products.find("BTC-USDC").unwrap();
        let (index, moved) = shelf.products.rename(from, &id(BTC));
        assert_eq!((shelf.products.len(), &moved[..]), (2, &[id("BTC-USDC")][..]));
        assert_eq!([BTC, "BTC-USDC"].map(|name| shelf.products.find(name)), [Some(index); 2]);
        assert_eq!(shelf.products.find(ETH), Some(1 - index));
        let last_frame = shelf.sequence - 1;
        assert_eq!(shelf.products.publish_again(index), Some(last_frame));
        let of_both = shelf.products.at(index).names();
        assert!(of_both.iter().all(|name| name.reader().load().is_some()), "{names:?}");
    }
}

/// A chain of configured aliases, of which the venue shows the second to be wrong.
#[test]
fn a_name_on_the_wire_is_never_that_of_two_products() {
    let mut shelf = Shelf::new(&[]);
    assert_eq!(shelf.add_as("XBT-USD", BTC), Ok(Added::Product));
    assert_eq!(shelf.add_as(BTC, "BTC-USDC"), Ok(Added::Product));
    assert_eq!(shelf.products.rename(1, &id(BTC)).0, 0);
    assert_eq!(shelf.names(), [["XBT-USD", BTC]]);
}

#[test]
fn two_that_each_had_a_snapshot_of_their_own_are_apart() {
    let mut shelf = Shelf::requested(&["FOO-USDC", "FOO-USD"]);
    shelf.sync("FOO-USD");
    assert!(!shelf.products.are_apart(0, "FOO-USD"));
    shelf.sync("FOO-USDC");
    assert!(shelf.products.are_apart(0, "FOO-USD"));
    assert!(!shelf.products.are_apart(0, "BAR-USD"), "it was not requested");
}

#[test]
fn many_products_are_found_after_some_have_left() {
    let mut shelf = Shelf::new(&[]);
    shelf.products.max_products = usize::MAX;
    let name = |number: usize| format!("P{number}-USD");
    for number in 0..10_000 {
        shelf.add(&name(number)).unwrap();
    }
    for number in (0..10_000).step_by(1_000) {
        shelf.products.remove(&name(number)).unwrap();
    }
    assert_eq!(shelf.products.find(&name(9_000)), None);
    for number in [1, 999, 5_001, 9_999] {
        let index = shelf.products.find(&name(number)).unwrap();
        assert_eq!(shelf.products.at(index).wire_name().as_str(), name(number));
    }
}

// Requests.

#[test]
fn a_request_gathers_what_is_due_up_to_its_bound() {
    let names: Vec<String> =
        (0..MAX_PRODUCTS_PER_REQUEST + 7).map(|n| format!("P{n}-USD")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut shelf = Shelf::new(&names);
    assert!(!shelf.products.are_wanted() && shelf.products.wanted_at().is_none());
    shelf.products.begin(Resync::Resubscribe, shelf.now);
    assert_eq!(shelf.products.wanted_at(), Some(shelf.now));
    assert_eq!(shelf.request(1).len(), MAX_PRODUCTS_PER_REQUEST);
    assert_eq!(shelf.products.due(), Some(shelf.now + 10 * SECOND), "their snapshots have 10 s");
    assert_eq!(shelf.request(2).len(), 7);
    assert!(shelf.request(3).is_empty());
    shelf.products.recount_wanted();
    assert!(!shelf.products.are_wanted());
}

#[test]
fn a_request_that_was_refused_is_repeated_for_what_did_not_come() {
    let mut shelf = Shelf::requested(&[BTC, ETH]);
    shelf.sync(ETH);
    shelf.products.recount_wanted();
    shelf.products.repeat_requests(shelf.now);
    assert!(shelf.products.are_wanted());
    assert_eq!(shelf.request(2), [id(BTC)]);
}

// Losses.

#[test]
fn every_book_is_lost_once_and_reported_under_each_name() {
    let mut shelf = Shelf::requested(&[BTC, ETH]);
    shelf.add_as("XBT-USD", BTC).unwrap();
    shelf.sync(BTC);
    let lose_all = |shelf: &mut Shelf, cause| {
        let mut reported = Vec::new();
        let report = |product: ProductId| reported.push(product.to_string());
        shelf.products.lose_all(shelf.now, cause, &shelf.policy, report);
        reported
    };
    assert_eq!(lose_all(&mut shelf, Cause::Gap), [BTC, "XBT-USD", ETH]);
    assert_eq!(shelf.status(ETH), Status::Lost(Cause::Gap));
    assert_eq!(lose_all(&mut shelf, Cause::Idle), [""; 0], "they are lost already");
    assert_eq!(shelf.status(ETH), Status::Lost(Cause::Gap));
    assert_eq!(shelf.products.due(), None);
}

#[test]
fn a_book_that_is_about_to_be_requested_is_not_lost_again() {
    let mut shelf = Shelf::requested(&[BTC]);
    shelf.sync(BTC);
    assert!(shelf.products.lose(0, shelf.now, Cause::Crossed, &shelf.policy));
    let healing = shelf.products.heal(0, shelf.now, Cause::Crossed, &shelf.policy);
    assert_eq!(healing, Healing::AskAgain);
    assert!(!shelf.products.lose(0, shelf.now, Cause::Decode, &shelf.policy));
    assert_eq!(shelf.status(BTC), Status::Lost(Cause::Crossed));
}

#[test]
fn a_loss_after_a_long_time_live_counts_as_the_first() {
    let mut shelf = Shelf::requested(&[BTC]);
    let lose = |shelf: &mut Shelf| {
        shelf.products.lose(0, shelf.now, Cause::Crossed, &shelf.policy);
        let healing = shelf.products.heal(0, shelf.now, Cause::Crossed, &shelf.policy);
        shelf.now += 2 * SECOND;
        shelf.request(2);
        healing
    };
    for _ in 0..10 {
        shelf.sync(BTC);
        shelf.now += shelf.policy.healthy_after;
        assert_eq!(lose(&mut shelf), Healing::AskAgain);
    }
    for _ in 0..2 {
        shelf.sync(BTC);
        assert_eq!(lose(&mut shelf), Healing::AskAgain);
    }
    shelf.sync(BTC);
    assert_eq!(lose(&mut shelf), Healing::NewConnection);
}

#[test]
fn what_a_connection_was_asked_for_ends_with_it() {
    let mut shelf = Shelf::requested(&[BTC]);
    shelf.sync(BTC);
    shelf.products.lose_all(shelf.now, Cause::Closed, &shelf.policy, |_| {});
    shelf.products.disconnect();
    assert!(!shelf.products.at(0).asked().was_requested());
    assert_eq!((shelf.products.due(), shelf.products.are_wanted()), (None, false));
    assert_eq!(shelf.products.remove(BTC).unwrap().to_end, None, "nothing is left to end");
}

// Timers.

#[test]
fn a_snapshot_that_is_overdue_is_given_up() {
    let mut shelf = Shelf::requested(&[BTC, ETH]);
    shelf.sync(ETH);
    shelf.now += 10 * SECOND - Duration::from_nanos(1);
    assert_eq!(shelf.expired(), []);
    shelf.now += Duration::from_nanos(1);
    assert_eq!(shelf.expired(), [(0, Expired::NoSnapshot { request: Some(1) })]);
}

#[test]
fn a_quiet_book_is_reported_once_and_lost_at_the_limit() {
    let mut shelf = Shelf::requested(&[BTC]);
    shelf.policy.quiet_limit = Some(60 * SECOND);
    shelf.sync(BTC);
    let since = shelf.now;
    shelf.products.rearm(&shelf.policy);
    assert_eq!(shelf.products.due(), Some(since + 30 * SECOND));
    shelf.now += 30 * SECOND;
    assert_eq!(shelf.expired(), [(0, Expired::Quiet { since })]);
    assert_eq!(shelf.expired(), []);
    shelf.products.rearm(&shelf.policy);
    assert_eq!(shelf.products.due(), Some(since + 60 * SECOND));
    shelf.now += 30 * SECOND;
    assert_eq!(shelf.expired(), [(0, Expired::Lost(Cause::Quiet))]);
}

#[test]
fn a_change_of_a_quiet_book_starts_its_timer_anew() {
    let mut shelf = Shelf::requested(&[BTC]);
    shelf.sync(BTC);
    shelf.now += 40 * SECOND;
    assert_eq!(shelf.expired().len(), 1);
    shelf.products.rearm(&shelf.policy);
    assert_eq!(shelf.products.due(), None, "it was reported, and there is no limit");
    assert_eq!(shelf.frame("update", BTC, &level("bid", "9")), Finished::Unchanged);
    assert_eq!(shelf.products.due(), None);
    assert_eq!(shelf.frame("update", BTC, &level("bid", "8")), Finished::Updated);
    assert_eq!(shelf.products.due(), Some(shelf.now + 30 * SECOND));
}
