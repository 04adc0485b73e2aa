//! What a newcomer asks of the public types in the first hour: that they print, serialise, convert
//! and clone, and that errors name what is wrong. Each test prints what it shows:
//!
//! ```sh
//! cargo test -p level2 --all-features --test first_hour -- --nocapture
//! ```

#![cfg(all(feature = "feed", feature = "serde"))]

use std::str::FromStr as _;
use std::time::{Duration, Instant, SystemTime};

use level2::books::{EventConfig, Interest, Redundancy};
use level2::session::{Cause, Policy, Resync, SessionConfig};
use level2::{
    Bbo, Books, BooksConfig, Decimal, Event, FeedConfig, Level, ProductId, Side, Status, UnixNanos,
};
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};
use serde::Serialize;
use serde_json::{Value, json};

const BTC: &str = "BTC-USD";

/// Books of a market that was set by hand, over memory: bids 2 at 99.5 and 1 at 99, asks 1 at
/// 100.5 and 4 at 102.
async fn books() -> (Server, Books) {
    let level = |side, price: &str, size: &str| (side, decimal(price), decimal(size));
    let market = ProductSpec::scripted(BTC).starting_levels([
        level(level2_sim::Side::Bid, "99.50", "2"),
        level(level2_sim::Side::Bid, "99.00", "1"),
        level(level2_sim::Side::Ask, "100.50", "1"),
        level(level2_sim::Side::Ask, "102.00", "4"),
    ]);
    let exchange = ExchangeConfig {
        products: vec![market],
        started_at: SystemTime::now(),
        ..ExchangeConfig::default()
    };
    let server = Server::start(ServerConfig { exchange, ..ServerConfig::default() }).await.unwrap();
    let mut config = BooksConfig::new([id(BTC)]);
    config.url = server.url();
    let books = Books::start(config).unwrap();
    books.synced().await.unwrap();
    (server, books)
}

fn id(name: &str) -> ProductId {
    name.parse().unwrap()
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

fn json_of(value: &impl Serialize) -> Value {
    let value = serde_json::to_value(value).unwrap();
    println!("{value}");
    value
}

#[tokio::test]
async fn everything_that_a_person_prints_prints() {
    let (server, books) = books().await;
    let mut events = books.events(EventConfig::new(Interest::Bbo));
    let bbo = books.bbo(BTC).unwrap().load().unwrap();
    server.with_exchange(|exchange| {
        exchange.set_levels(BTC, [(level2_sim::Side::Bid, decimal("100"), decimal("0.25"))]);
    });
    let changed = loop {
        match events.next().await.unwrap() {
            event @ Event::Changed(_) => break event,
            other => println!("{other}"),
        }
    };
    let top = books.top(BTC, 5).unwrap();
    let status = books.status(BTC).unwrap();
    let shown = [
        ("Side", Side::Bid.to_string(), "bid"),
        ("Level", bbo.bid.unwrap().to_string(), "99.5"),
        ("Bbo", bbo.to_string(), "100.5"),
        ("Event", changed.to_string(), "0.25"),
        ("Event", Event::Live { product: id(BTC), connection: 3, sequence: 8 }.to_string(), BTC),
        ("Top", top.to_string(), "102"),
        ("Status", Status::Lost(Cause::Gap).to_string(), "gap"),
        ("ProductStatus", status.to_string(), "live"),
        ("BooksStats", books.stats().to_string(), "1"),
    ];
    for (name, text, part) in shown {
        println!("{name}: {text}");
        assert!(text.contains(part), "{name} shows no {part}: {text}");
    }
    let book = books.read(BTC, |book| format!("{book:?}")).unwrap();
    println!("Book: {book}");
    assert!(book.len() < 300, "{book}");
}

#[tokio::test]
async fn everything_that_a_program_stores_serialises() {
    let (_server, books) = books().await;
    let bbo = books.bbo(BTC).unwrap().load().unwrap();
    let shown = json_of(&bbo);
    assert_eq!((&shown["bid"]["price"], &shown["ask"]["size"]), (&json!("99.5"), &json!("1")));
    let time: UnixNanos = serde_json::from_value(shown["event_time"].clone()).unwrap();
    assert_eq!(Some(time), bbo.event_time);

    let top = json_of(&books.top(BTC, 5).unwrap());
    assert_eq!(top["asks"][1]["price"], "102");
    let live = Event::Live { product: id(BTC), connection: 3, sequence: 8 };
    assert!(json_of(&live).to_string().contains(BTC));
    assert!(json_of(&books.status(BTC).unwrap()).to_string().contains("live"));

    assert_eq!(json_of(&id(BTC)), BTC);
    assert_eq!(json_of(&Side::Ask), "ask");
    assert_eq!(json_of(&Status::Live), "live");
    let level: Level = serde_json::from_value(json_of(&bbo.bid)).unwrap();
    assert_eq!(Some(level), bbo.bid);
    let status: Status = serde_json::from_value(json_of(&Status::Lost(Cause::Gap))).unwrap();
    assert_eq!(status, Status::Lost(Cause::Gap));
    let product: ProductId = serde_json::from_str("\"ETH-USD\"").unwrap();
    assert_eq!(product, id("ETH-USD"));
    assert!(serde_json::from_str::<ProductId>("\"eth-usd\"").is_err());
}

#[tokio::test]
async fn times_can_be_printed_and_compared_with_the_clock() {
    let (_server, books) = books().await;
    let bbo = books.bbo(BTC).unwrap().load().unwrap();
    let received = bbo.received_at.expect("books know the wall clock");
    for (name, time) in [("event time", bbo.event_time.unwrap()), ("received at", received)] {
        println!("{name}: {time} = {:?}", SystemTime::from(time));
        assert_eq!(time.to_string().parse::<UnixNanos>().unwrap(), time);
        assert_eq!(UnixNanos::try_from(SystemTime::from(time)).unwrap(), time);
        let age = SystemTime::now().duration_since(SystemTime::from(time)).unwrap_or_default();
        assert!(age < Duration::from_secs(60), "{name} is {age:?} old");
    }
    let age = bbo.age(Instant::now());
    println!("age: {age:?}");
    assert!(age < Duration::from_secs(60));
    assert!(books.top(BTC, 1).unwrap().age(Instant::now()) < Duration::from_secs(60));
}

#[tokio::test]
async fn a_bbo_and_a_top_answer_what_bots_ask_first() {
    let (_server, books) = books().await;
    let bbo: Bbo = books.bbo(BTC).unwrap().load().unwrap();
    let top = books.top(BTC, 2).unwrap();
    let answers = [
        ("mid", bbo.mid(), top.mid(), "100"),
        ("spread", bbo.spread(), top.spread(), "1"),
        ("imbalance", bbo.imbalance(), Some(decimal("0.3333333333333333333333333333")), ""),
    ];
    for (name, of_bbo, of_top, expected) in answers {
        println!("{name}: {of_bbo:?}");
        assert_eq!(of_bbo, of_top, "{name}");
        assert!(expected.is_empty() || of_bbo == Some(decimal(expected)), "{name}");
    }
    println!("microprice: {:?}", bbo.microprice());
    assert_eq!(bbo.microprice(), top.microprice());
    assert!(bbo.microprice() > bbo.mid(), "more is bid than offered");
    // Over two levels a side: 3 bid, 5 offered.
    assert_eq!(top.imbalance(), Some(decimal("-0.25")));
    // A float only by name.
    let level = bbo.bid.unwrap();
    println!("f64: {} {} {:?}", level.price_f64(), level.size_f64(), bbo.mid_f64());
    assert_eq!((level.price_f64(), level.size_f64(), bbo.mid_f64()), (99.5, 2.0, Some(100.0)));
}

#[test]
fn every_config_clones_and_is_read_from_a_file() {
    let books = BooksConfig::new([id(BTC)]);
    let (feed, session) = (FeedConfig::new([id(BTC)]), SessionConfig::new([id(BTC)]));
    let (policy, events) = (Policy::default(), EventConfig::new(Interest::Top(5)));
    assert_eq!(books.clone().products, books.products);
    assert_eq!(feed.clone().policy, feed.policy);
    assert_eq!(session.clone(), session);
    assert_eq!(policy.clone(), policy);
    assert_eq!(events.clone(), events);

    let file = r#"
        products = ["BTC-USD", "ETH-USD"]
        redundancy = "standby"

        [policy]
        resync = "resubscribe"
        idle_timeout = "3s"
    "#;
    let config: BooksConfig = toml::from_str(file).unwrap();
    println!("{config:?}");
    assert_eq!(config.products, [id(BTC), id("ETH-USD")]);
    assert_eq!(config.redundancy, Redundancy::Standby);
    assert_eq!(config.policy.resync, Resync::Resubscribe);
    assert_eq!(config.policy.idle_timeout, Duration::from_secs(3));
    let written = serde_json::to_string(&config).unwrap();
    let read: BooksConfig = serde_json::from_str(&written).unwrap();
    assert_eq!(read.policy, config.policy);
    let typo = toml::from_str::<BooksConfig>("redundency = \"standby\"").unwrap_err().to_string();
    assert!(typo.contains("redundency"), "{typo}");
}

#[tokio::test]
async fn a_wrong_name_is_named_and_the_right_one_suggested() {
    for (wrong, right) in
        [("btc-usd", BTC), ("BTCUSD", BTC), ("BTC/USD", BTC), ("eth_usdc", "ETH-USDC")]
    {
        let error = wrong.parse::<ProductId>().unwrap_err();
        println!("{error}");
        assert_eq!(error.suggestion(), Some(&id(right)), "{wrong}");
        assert!(error.to_string().contains(right), "{error}");
    }
    let (_server, books) = books().await;
    let meant = books.bbo("btc-usd").unwrap_err().to_string();
    println!("{meant}");
    assert!(meant.ends_with("did you mean BTC-USD?"), "{meant}");
    let errors = [
        books.bbo("XRP-USD").unwrap_err().to_string(),
        books.status("XRP-USD").unwrap_err().to_string(),
        books.top("XRP-USD", 1).unwrap_err().to_string(),
        books.age("XRP-USD").unwrap_err().to_string(),
        books.read("XRP-USD", |_| ()).unwrap_err().to_string(),
        books.unsubscribe("XRP-USD").unwrap_err().to_string(),
    ];
    for error in errors {
        println!("{error}");
        assert!(error.contains("XRP-USD"), "{error}");
    }
}
