//! A scripted market does what a test says, and its truth is what goes out.

use fastrand::Rng;

use super::*;
use crate::side::Side::{self, Ask, Bid};

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn level(side: Side, price: &str, size: &str) -> (Side, Decimal, Decimal) {
    (side, number(price), number(size))
}

/// A scripted market with one level a side, beside one that walks.
fn scripted() -> ExchangeConfig {
    let levels = [level(Bid, "99.5", "2"), level(Ask, "100.5", "3")];
    ExchangeConfig {
        products: vec![
            ProductSpec::scripted("BTC-USD").starting_levels(levels),
            ProductSpec::eth_usd().levels(20),
        ],
        ..ExchangeConfig::default()
    }
}

/// Sides, prices and sizes of a frame, as they stand in it.
fn updates(frame: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let updates = frame["events"][0]["updates"].as_array().unwrap().iter();
    let level =
        |one: &Value| (text(&one["side"]), text(&one["price_level"]), text(&one["new_quantity"]));
    updates.map(level).collect()
}

fn lines(levels: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let owned = |&(side, price, size): &(&str, &str, &str)| {
        (side.to_owned(), price.to_owned(), size.to_owned())
    };
    levels.iter().map(owned).collect()
}

#[test]
fn it_stands_still_until_levels_are_set_and_sends_them_with_the_next_interval() {
    let mut exchange = Exchange::new(scripted());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    let frames = drain(&mut exchange, id);
    assert_eq!(channels(&frames), ["snapshot BTC-USD", "subscriptions"]);
    let starting = lines(&[("bid", "99.5", "2"), ("offer", "100.5", "3")]);
    assert_eq!(updates(&frames[0].1), starting);
    exchange.advance(at(50_000));
    assert_eq!(exchange.poll_frame(id), None, "it stands still");

    // In any order, and a level twice: the later one counts.
    exchange.set_levels("BTC-USD", [level(Ask, "101", "7"), level(Bid, "99.5", "1")]);
    exchange.advance(at(50_020));
    exchange.set_levels(
        "BTC-USD",
        [level(Bid, "99.5", "0"), level(Bid, "99", "0.00000001"), level(Bid, "100", "4.50")],
    );
    let before = exchange.true_book("BTC-USD").unwrap().clone();
    assert_eq!(before.best_bid(), Some((number("99.5"), number("2"))), "not true yet");
    exchange.advance(at(50_049));
    assert_eq!(exchange.poll_frame(id), None);
    exchange.advance(at(50_050));
    let frames = drain(&mut exchange, id);
    assert_eq!(channels(&frames), ["update BTC-USD"]);
    assert_eq!(
        updates(&frames[0].1),
        lines(&[
            ("bid", "100", "4.5"),
            ("bid", "99.5", "0"),
            ("bid", "99", "0.00000001"),
            ("offer", "101", "7"),
        ])
    );
    let bid = Some((number("100"), number("4.5")));
    assert_eq!(exchange.truth(id, "BTC-USD", 2).unwrap().bid, bid);
    assert_eq!(exchange.truth(id, "BTC-USD", 1).unwrap().bid, before.best_bid());
    assert_eq!(exchange.true_book_at(id, "BTC-USD", 1), Some(before));
    exchange.advance(at(100_000));
    assert_eq!(exchange.poll_frame(id), None, "it stands still again");
}

#[test]
fn levels_go_out_as_they_are_set_even_where_they_change_nothing_or_cross() {
    let mut exchange = Exchange::new(scripted());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    drain(&mut exchange, id);
    exchange.set_levels(
        "BTC-USDC",
        [level(Bid, "99.5", "2"), level(Ask, "90", "0"), level(Bid, "102", "1")],
    );
    exchange.advance(at(50));
    let frames = drain(&mut exchange, id);
    let sent = lines(&[("bid", "102", "1"), ("bid", "99.5", "2"), ("offer", "90", "0")]);
    assert_eq!(updates(&frames[0].1), sent);
    let truth = exchange.truth(id, "BTC-USD", 2).unwrap();
    assert!(truth.bid.unwrap().0 > truth.ask.unwrap().0, "crossed, as it was asked for");
}

#[test]
fn levels_wait_while_the_market_is_held_or_not_listed() {
    let mut exchange = Exchange::new(scripted());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    drain(&mut exchange, id);
    exchange.hold_markets(true);
    exchange.set_levels("BTC-USD", [level(Bid, "100", "1")]);
    exchange.advance(at(1_010));
    assert_eq!(exchange.poll_frame(id), None);
    exchange.hold_markets(false);
    exchange.advance(at(1_050));
    assert_eq!(channels(&drain(&mut exchange, id)), ["update BTC-USD"]);

    exchange.list_product("BTC-USD", false);
    exchange.set_levels("BTC-USD", [level(Bid, "100", "0")]);
    exchange.advance(at(2_000));
    assert_eq!(exchange.true_book("BTC-USD").unwrap().depth(Bid), 2);
    exchange.list_product("BTC-USD", true);
    exchange.receive(id, at(2_000), SUBSCRIBE_BTC);
    assert_eq!(updates(&drain(&mut exchange, id)[0].1).len(), 3, "the snapshot is the former book");
    exchange.advance(at(2_050));
    assert_eq!(updates(&drain(&mut exchange, id)[0].1), lines(&[("bid", "100", "0")]));
}

/// Sets levels at random moments, subscribes now and then, and compares every book with the truth.
#[test]
fn whatever_is_set_and_when_the_truth_and_the_frames_agree() {
    for seed in 0..20 {
        let mut rng = Rng::with_seed(seed);
        let mut exchange = Exchange::new(scripted());
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        exchange.receive(id, at(0), SUBSCRIBE_BEATS);
        let mut book = NaiveBook::default();
        let (mut changes, mut frames) = (0, 0);
        for _ in 0..300 {
            let now = exchange.now() + at(rng.u64(0..200));
            exchange.advance(now);
            for _ in 0..rng.u64(0..6) {
                let side = if rng.bool() { Bid } else { Ask };
                let price = Decimal::new(rng.i64(1..2_000), 1);
                let size = Decimal::new(rng.i64(0..3), 0);
                exchange.set_levels("BTC-USD", [(side, price, size)]);
                changes += 1;
            }
            if rng.u64(0..40) == 0 {
                exchange.resend_snapshot(id, "BTC-USD");
            }
            for (sequence, frame) in drain(&mut exchange, id) {
                if frame["channel"] == "l2_data" {
                    book.apply(&frame["events"][0]);
                    frames += 1;
                }
                let sequence = sequence.unwrap();
                assert_eq!(exchange.truth(id, "BTC-USD", sequence), Some(book.bbo()), "{seed}");
                book.assert_is(&exchange.true_book_at(id, "BTC-USD", sequence).unwrap());
            }
        }
        assert!(changes > 500 && frames > 100, "{changes} changes in {frames} frames");
    }
}

#[test]
fn however_time_passes_the_frames_of_a_script_are_the_same() {
    let frames = |step: u64| {
        let mut exchange = Exchange::new(scripted());
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        for (moment, price) in [(1_000, "98"), (1_049, "97"), (1_050, "96"), (7_777, "95")] {
            while exchange.now() < at(moment) {
                let next = exchange.now() + at(step);
                exchange.advance(next.min(at(moment)));
            }
            exchange.set_levels("BTC-USD", [level(Bid, price, "1")]);
        }
        exchange.advance(at(10_000));
        drain(&mut exchange, id)
    };
    let expected = frames(10_000);
    assert_eq!(expected.len(), 5, "a snapshot, an ack, and three updates");
    for step in [1, 7, 50, 1_000] {
        assert_eq!(frames(step), expected, "steps of {step} ms");
    }
}

#[test]
fn a_late_subscriber_gets_the_book_as_it_is_and_the_others_the_change() {
    let mut exchange = Exchange::new(scripted());
    let (early, late) = (exchange.connect(), exchange.connect());
    exchange.receive(early, at(0), SUBSCRIBE_BTC);
    drain(&mut exchange, early);
    exchange.set_levels("BTC-USD", [level(Bid, "100", "1")]);
    exchange.receive(late, at(50), SUBSCRIBE_BTC);
    assert_eq!(channels(&drain(&mut exchange, early)), ["update BTC-USD"]);
    let frames = drain(&mut exchange, late);
    assert_eq!(channels(&frames), ["snapshot BTC-USD", "subscriptions"]);
    assert_eq!(updates(&frames[0].1).len(), 3);
}

#[test]
#[should_panic(expected = "ETH-USD is a random walk")]
fn levels_of_a_random_walk_cannot_be_set() {
    Exchange::new(scripted()).set_levels("ETH-USD", [level(Bid, "1", "1")]);
}

#[test]
#[should_panic(expected = "no product DOGE-USD")]
fn levels_of_an_unknown_product_cannot_be_set() {
    Exchange::new(scripted()).set_levels("DOGE-USD", []);
}

#[test]
#[should_panic(expected = "ETH-USD is no scripted product")]
fn a_random_walk_has_no_starting_levels() {
    let _ = ProductSpec::eth_usd().starting_levels([]);
}

#[test]
fn levels_that_the_wire_could_not_carry_are_refused() {
    let is_refused = |price: &str, size: &str| {
        let price_and_size = (number(price), number(size));
        std::panic::catch_unwind(|| {
            let (price, size) = price_and_size;
            Exchange::new(scripted()).set_levels("BTC-USD", [(Ask, price, size)]);
        })
        .is_err()
    };
    for (price, size) in [
        ("0", "1"),
        ("-1", "1"),
        ("1", "-1"),
        ("0.000000001", "1"),
        ("1", "0.000000001"),
        ("92233720369", "1"),
        ("1", "79228162514264337593543950335"),
    ] {
        assert!(is_refused(price, size), "{size} at {price}");
    }
    assert!(!is_refused("92233720368.54775807", "92233720368.54775807"));
    assert!(!is_refused("1.000000000000", "0.10"));
}
