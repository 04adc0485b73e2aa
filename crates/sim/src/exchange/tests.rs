//! An exchange sends what the venue sends, and knows what is true.

mod scripted;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::request::{MALFORMED, REFUSED, TOO_MANY_STREAMS};
use super::*;
use crate::hash::fnv1a;
use crate::market::{Mood, ProductSpec, TrueBook};

/// The hash of the frames of one seed.
const PINNED_BYTES: u64 = 16_694_095_409_111_489_256;
const SUBSCRIBE_BTC: &str = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
const SUBSCRIBE_BEATS: &str = r#"{"type":"subscribe","channel":"heartbeats"}"#;

type Levels = BTreeMap<Decimal, Decimal>;

/// The plainest client there is: it believes every frame.
#[derive(Default)]
struct NaiveBook {
    bids: Levels,
    asks: Levels,
}

impl NaiveBook {
    fn apply(&mut self, event: &Value) {
        if event["type"] == "snapshot" {
            *self = Self::default();
        }
        for update in event["updates"].as_array().unwrap() {
            let number = |key: &str| {
                let text = update[key].as_str().unwrap();
                let value = Decimal::from_str_exact(text).unwrap();
                assert_eq!(value.normalize().to_string(), text, "trimmed");
                value
            };
            let side = match update["side"].as_str().unwrap() {
                "bid" => &mut self.bids,
                "offer" => &mut self.asks,
                other => panic!("side {other}"),
            };
            let (price, size) = (number("price_level"), number("new_quantity"));
            match size.is_zero() {
                true => side.remove(&price),
                false => side.insert(price, size),
            };
        }
    }

    fn bbo(&self) -> TrueBbo {
        TrueBbo {
            bid: self.bids.last_key_value().map(|(&price, &size)| (price, size)),
            ask: self.asks.first_key_value().map(|(&price, &size)| (price, size)),
        }
    }

    fn assert_is(&self, truth: &TrueBook) {
        let bids: Vec<_> = self.bids.iter().rev().map(|(&p, &s)| (p, s)).collect();
        let asks: Vec<_> = self.asks.iter().map(|(&p, &s)| (p, s)).collect();
        assert_eq!(bids, truth.bids());
        assert_eq!(asks, truth.asks());
    }
}

fn five_products() -> ExchangeConfig {
    ExchangeConfig {
        products: vec![
            ProductSpec::btc_usd().levels(300),
            ProductSpec::eth_usd().levels(200),
            ProductSpec::sol_usd(),
            ProductSpec::tiny_price(),
            ProductSpec::futures(),
        ],
        ..ExchangeConfig::default()
    }
}

fn small() -> ExchangeConfig {
    ExchangeConfig {
        products: vec![
            ProductSpec::btc_usd().levels(50),
            ProductSpec::eth_usd().levels(50),
            ProductSpec::new("USDT-USDC", 4, 2, 9_998),
        ],
        ..ExchangeConfig::default()
    }
}

fn drain(exchange: &mut Exchange, id: ConnectionId) -> Vec<(Option<u64>, Value)> {
    let mut frames = Vec::new();
    while let Some(frame) = exchange.poll_frame(id) {
        let value: Value = serde_json::from_str(&frame.text).unwrap();
        assert_eq!(frame.sequence, value["sequence_num"].as_u64());
        frames.push((frame.sequence, value));
    }
    frames
}

fn channels(frames: &[(Option<u64>, Value)]) -> Vec<String> {
    let name = |value: &Value| match value["events"][0]["type"].as_str() {
        Some(kind) => {
            format!("{} {}", kind, value["events"][0]["product_id"].as_str().unwrap())
        }
        None => value["channel"].as_str().unwrap_or("error").to_owned(),
    };
    frames.iter().map(|(_, value)| name(value)).collect()
}

fn listed(frame: &Value) -> String {
    frame["events"][0]["subscriptions"].to_string()
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_recording_rebuilds_the_true_books() {
    let mut recording = record(five_products(), Duration::from_secs(60));
    let mut books: BTreeMap<String, NaiveBook> = BTreeMap::new();
    let mut sequence_next = 0;
    while let Some(text) = recording.next() {
        let frame: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(frame["sequence_num"], sequence_next, "contiguous over all channels");
        if frame["channel"] == "l2_data" {
            let event = &frame["events"][0];
            let id = event["product_id"].as_str().unwrap();
            books.entry(id.to_owned()).or_default().apply(event);
        }
        for (id, book) in &books {
            let (exchange, connection) = (recording.exchange(), recording.connection());
            let bbo = exchange.truth(connection, id, sequence_next).unwrap();
            assert_eq!(bbo, book.bbo(), "{id} after {sequence_next}");
            assert!(bbo.bid.unwrap().0 < bbo.ask.unwrap().0, "{id} is crossed");
        }
        sequence_next += 1;
    }
    assert!(sequence_next > 4_000);
    for (id, book) in &books {
        book.assert_is(recording.exchange().true_book(id).unwrap());
    }
    assert_eq!(books.len(), 5);
}

#[test]
fn frames_have_the_exact_form() {
    let mut recording = record(five_products(), Duration::from_secs(3));
    let mut heartbeats = Vec::new();
    let mut stamp_last = String::new();
    for text in recording.by_ref() {
        assert!(text.starts_with("{\"channel\":\""));
        assert!(!text.contains("\":null") && !text.contains(".0\""));
        let positions: Vec<usize> = ["\"timestamp\":", "\"sequence_num\":", "\"events\":"]
            .map(|key| text.find(key).unwrap())
            .to_vec();
        assert!(positions.is_sorted());
        let frame: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(frame.as_object().unwrap().len(), 4);
        assert_eq!(frame["events"].as_array().unwrap().len(), 1);
        let stamp = frame["timestamp"].as_str().unwrap().trim_end_matches('Z').to_owned();
        assert!(stamp > stamp_last && stamp.len() <= 29, "{stamp} after {stamp_last}");
        stamp_last = stamp;
        let event = &frame["events"][0];
        if frame["channel"] == "heartbeats" {
            let time = event["current_time"].as_str().unwrap();
            assert!(time.starts_with("2026-11-02 00:00:0") && time.contains(" +0000 UTC m=+"));
            heartbeats.push(event["heartbeat_counter"].as_u64().unwrap());
        } else if frame["channel"] == "l2_data" {
            let updates = event["updates"].as_array().unwrap();
            assert!(updates.iter().all(|one| one["event_time"] == updates[0]["event_time"]));
            let first = text.find("\"updates\":[{\"side\":\"").unwrap();
            assert!(text[first..].contains("\",\"event_time\":\"20"));
            assert!(text[first..].contains("Z\",\"price_level\":\""));
            assert!(text[first..].contains("\",\"new_quantity\":\""));
        }
    }
    assert_eq!(heartbeats.len(), 3);
    assert!(heartbeats.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn event_times_come_before_frames() {
    // Both times lie in one minute of one day here, so seconds can be compared.
    let seconds = |value: &Value| {
        let text = value.as_str().unwrap().trim_end_matches('Z');
        Decimal::from_str_exact(&text[17..]).unwrap()
    };
    for text in record(small(), Duration::from_secs(20)).skip(8) {
        let frame: Value = serde_json::from_str(&text).unwrap();
        let event_time = &frame["events"][0]["updates"][0]["event_time"];
        if !event_time.is_null() {
            let delay = seconds(&frame["timestamp"]) - seconds(event_time);
            assert!(delay >= Decimal::new(26, 3) && delay <= Decimal::new(85_001, 6), "{delay}");
        }
    }
}

#[test]
fn timestamps_count_from_the_start_of_the_wall_clock() {
    let first = |started_at| {
        let mut recording = record(ExchangeConfig { started_at, ..small() }, Duration::ZERO);
        let frame: Value = serde_json::from_str(&recording.next().unwrap()).unwrap();
        frame["timestamp"].as_str().unwrap().to_owned()
    };
    let leap_day = UNIX_EPOCH + Duration::from_secs(1_709_209_805);
    assert!(first(leap_day).starts_with("2024-02-29T12:30:05."));
    let default = ExchangeConfig::default().started_at;
    assert!(first(default).starts_with("2026-11-02T00:00:00."));
    // Beyond the range of the setting the nearest time counts.
    assert!(first(UNIX_EPOCH - Duration::from_secs(1)).starts_with("1970-01-01T00:00:00."));
    assert!(first(default + Duration::from_secs(1 << 34)).starts_with("2554-07-21T23:34:33."));

    let started_at = SystemTime::now();
    let mut exchange = Exchange::new(ExchangeConfig { started_at, ..small() });
    exchange.advance(at(1_500));
    assert_eq!(UNIX_EPOCH + exchange.unix_time(), started_at + at(1_500));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let frames = |seed| {
        let config = ExchangeConfig { seed, ..five_products() };
        record(config, Duration::from_secs(5)).collect::<Vec<String>>()
    };
    assert_eq!(frames(1), frames(1));
    assert_ne!(frames(1), frames(2));
}

#[test]
fn a_seed_gives_these_very_bytes_everywhere() {
    // Fixtures are made from seeds: a change of this value makes all of them other ones.
    let text: String = record(five_products(), Duration::from_secs(5)).collect();
    assert_eq!(fnv1a(text.as_bytes()), PINNED_BYTES, "the bytes of a seed have changed");
}

#[test]
fn snapshots_come_before_the_ack() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    let request = json!({
        "type": "subscribe",
        "product_ids": ["ETH-USD", "BTC-USD", "NO-USD"],
        "channel": "level2",
    });
    exchange.receive(id, at(0), &request.to_string());
    exchange.receive(id, at(0), SUBSCRIBE_BEATS);
    let frames = drain(&mut exchange, id);
    assert_eq!(
        channels(&frames),
        ["snapshot ETH-USD", "snapshot BTC-USD", "subscriptions", "subscriptions"]
    );
    assert_eq!(listed(&frames[2].1), r#"{"level2":["BTC-USD","ETH-USD"]}"#);
    assert_eq!(
        listed(&frames[3].1),
        r#"{"heartbeats":["heartbeats"],"level2":["BTC-USD","ETH-USD"]}"#
    );
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    assert_eq!(channels(&drain(&mut exchange, id)), ["subscriptions"], "no second snapshot");
}

#[test]
fn unsubscribe_and_subscribe_bring_a_new_snapshot() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    exchange.advance(at(200));
    let seen = drain(&mut exchange, id).len() as u64;
    assert!(exchange.truth(id, "BTC-USD", seen - 1).is_some());
    exchange.receive(id, at(200), r#"{"type":"unsubscribe","channel":"level2"}"#);
    exchange.advance(at(400));
    let frames = drain(&mut exchange, id);
    assert_eq!(frames.len(), 1);
    assert_eq!(listed(&frames[0].1), "{}");
    assert!(exchange.truth(id, "BTC-USD", seen).is_none(), "unsubscribed");
    exchange.receive(id, at(400), SUBSCRIBE_BTC);
    let frames = drain(&mut exchange, id);
    assert_eq!(channels(&frames), ["snapshot BTC-USD", "subscriptions"]);
    let mut book = NaiveBook::default();
    book.apply(&frames[0].1["events"][0]);
    book.assert_is(exchange.true_book("BTC-USD").unwrap());
}

#[test]
fn an_alias_is_answered_as_the_real_product() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    let both = r#"{"type":"subscribe","product_ids":["BTC-USDC","BTC-USD"],"channel":"level2"}"#;
    exchange.receive(id, at(0), both);
    let usdt = r#"{"type":"subscribe","product_ids":["USDT-USDC"],"channel":"level2"}"#;
    exchange.receive(id, at(0), usdt);
    let frames = drain(&mut exchange, id);
    assert_eq!(
        channels(&frames),
        ["snapshot BTC-USD", "subscriptions", "snapshot USDT-USDC", "subscriptions"]
    );
    assert_eq!(listed(&frames[3].1), r#"{"level2":["BTC-USD","USDT-USDC"]}"#);
    assert_eq!(exchange.truth(id, "BTC-USDC", 0), exchange.truth(id, "BTC-USD", 0));
    assert!(exchange.true_book("BTC-USDC").is_some());
}

#[test]
fn errors_have_no_number_and_use_none() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    for (request, message) in [
        ("not json", MALFORMED),
        ("[]", MALFORMED),
        (r#"{"type":"hello","channel":"level2"}"#, MALFORMED),
        (r#"{"type":"subscribe"}"#, MALFORMED),
        (r#"{"type":"subscribe","channel":"level2","product_ids":[1]}"#, MALFORMED),
        (r#"{"type":"subscribe","channel":"level2","product_ids":"BTC-USD"}"#, MALFORMED),
        (r#"{"type":"subscribe","channel":"heartbeat"}"#, REFUSED),
    ] {
        exchange.receive(id, at(0), request);
        let frame = exchange.poll_frame(id).unwrap();
        assert_eq!(frame.sequence, None);
        assert_eq!(frame.text, format!(r#"{{"type":"error","message":"{message}"}}"#));
    }
    exchange.receive(id, at(0), &" ".repeat(MAX_REQUEST_BYTES + 1));
    assert_eq!(exchange.poll_frame(id).unwrap().sequence, None);
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    assert_eq!(exchange.poll_frame(id).unwrap().sequence, Some(0));
    assert_eq!(exchange.counts().errors, 8);
}

#[test]
fn streams_beyond_the_bound_are_refused_and_those_before_them_stay() {
    let mut exchange = Exchange::new(ExchangeConfig { max_streams: Some(1), ..small() });
    let id = exchange.connect();
    let both = r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channel":"level2"}"#;
    exchange.receive(id, at(0), both);
    let refused = format!(r#"{{"type":"error","message":"{TOO_MANY_STREAMS}"}}"#);
    assert_eq!(exchange.poll_frame(id).unwrap().text, refused);
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    exchange.receive(id, at(0), SUBSCRIBE_BEATS);
    let served = ["snapshot BTC-USD", "subscriptions", "subscriptions", "subscriptions"];
    assert_eq!(channels(&drain(&mut exchange, id)), served);
    exchange.receive(id, at(0), &both.replace("BTC-USD", "ETH-USD"));
    assert_eq!(exchange.poll_frame(id).unwrap().text, refused);
}

#[test]
fn a_dropped_frame_leaves_a_gap_and_a_truth() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    drain(&mut exchange, id);
    exchange.drop_next(id);
    exchange.advance(at(100));
    let numbers: Vec<_> = drain(&mut exchange, id).iter().map(|frame| frame.0).collect();
    assert_eq!(numbers, [Some(3)]);
    assert!(exchange.truth(id, "BTC-USD", 2).is_some());
    assert!(exchange.truth(id, "BTC-USD", 4).is_none(), "not used yet");
    assert_eq!(exchange.counts().dropped, 1);
}

#[test]
fn a_reset_counter_begins_again_and_truth_follows() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    exchange.advance(at(500));
    drain(&mut exchange, id);
    let before = exchange.truth(id, "BTC-USD", 9).unwrap();
    exchange.reset_counter(id);
    assert_eq!(exchange.truth(id, "BTC-USD", 9), Some(before));
    exchange.advance(at(550));
    let frames = drain(&mut exchange, id);
    assert_eq!(frames[0].0, Some(0));
    let book = exchange.true_book("BTC-USD").unwrap();
    let now = TrueBbo { bid: book.best_bid(), ask: book.best_ask() };
    assert_eq!(exchange.truth(id, "BTC-USD", 0), Some(now), "the latest use");
    assert_eq!(exchange.truth(id, "BTC-USD", 9), Some(before), "the use before the reset");
}

#[test]
fn held_markets_stand_still_while_hearts_beat() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    exchange.receive(id, at(0), SUBSCRIBE_BEATS);
    drain(&mut exchange, id);
    exchange.hold_markets(true);
    exchange.advance(at(3_000));
    assert_eq!(channels(&drain(&mut exchange, id)), ["heartbeats"; 3]);
    exchange.hold_markets(false);
    exchange.advance(at(3_100));
    assert!(!drain(&mut exchange, id).is_empty());
}

#[test]
fn a_full_queue_closes_the_connection() {
    let config = ExchangeConfig { heartbeat: at(1), ..small() };
    let mut exchange = Exchange::new(config);
    exchange.hold_markets(true);
    let (slow, quick) = (exchange.connect(), exchange.connect());
    for id in [slow, quick] {
        exchange.receive(id, at(0), SUBSCRIBE_BEATS);
    }
    for step in 0..9_000 {
        exchange.advance(at(step));
        drain(&mut exchange, quick);
    }
    assert!(!exchange.is_open(slow) && exchange.is_open(quick));
    assert_eq!(exchange.poll_frame(slow), None);
    assert_eq!(exchange.counts().overflows, 1);
    assert_eq!(exchange.newest_connection(), Some(quick));
}

#[test]
fn a_client_that_does_not_subscribe_is_disconnected() {
    let mut exchange = Exchange::new(small());
    let (silent, heard) = (exchange.connect(), exchange.connect());
    exchange.receive(heard, at(4_900), SUBSCRIBE_BEATS);
    assert!(exchange.is_open(silent));
    exchange.advance(at(5_000));
    assert!(!exchange.is_open(silent) && exchange.is_open(heard));
    assert_eq!(exchange.counts().silent, 1);
    assert_eq!(exchange.connections().collect::<Vec<_>>(), [heard]);
    assert_eq!(exchange.remembered_connections().collect::<Vec<_>>(), [silent, heard]);
}

#[test]
fn connections_and_truth_are_bounded() {
    let config = ExchangeConfig { max_truth_frames: 3, ..small() };
    let mut exchange = Exchange::new(config);
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    exchange.advance(at(1_000));
    assert!(exchange.truth(id, "BTC-USD", 5).is_none(), "forgotten");
    assert!(exchange.truth(id, "BTC-USD", 20).is_some());
    for _ in 0..MAX_CONNECTIONS_OPEN + 50 {
        exchange.connect();
    }
    assert_eq!(exchange.connections().count(), MAX_CONNECTIONS_OPEN);
    assert_eq!(exchange.counts().refused, 51);
    assert_eq!(
        exchange.remembered_connections().count(),
        MAX_CONNECTIONS_OPEN + MAX_CONNECTIONS_CLOSED
    );
    exchange.disconnect(id);
    assert!(!exchange.is_open(id));
    assert!(exchange.truth(id, "BTC-USD", 20).is_none(), "an old one is forgotten first");
}

#[test]
fn a_full_snapshot_is_about_five_megabytes() {
    let config = ExchangeConfig {
        products: vec![ProductSpec::btc_usd().levels(LEVELS)],
        ..ExchangeConfig::default()
    };
    const LEVELS: usize = 22_500;
    let snapshot = record(config, Duration::ZERO).next().unwrap();
    let levels = snapshot.matches("\"side\"").count();
    println!("{levels} levels in {} bytes", snapshot.len());
    assert!((44_900..=45_000).contains(&levels));
    assert!((4_500_000..=5_500_000).contains(&snapshot.len()));
}

#[test]
fn client_id_follows_the_channel_if_asked_for() {
    let config = ExchangeConfig { client_id: true, ..small() };
    for text in record(config, Duration::from_secs(1)) {
        assert!(text.contains("\",\"client_id\":\"\",\"timestamp\":\""));
    }
}

/// A few levels each, and changes in one interval of ten.
fn mostly_quiet() -> ExchangeConfig {
    let products = [ProductSpec::btc_usd(), ProductSpec::eth_usd(), ProductSpec::sol_usd()];
    let products = products.map(|spec| spec.levels(20).quiet(900));
    ExchangeConfig { products: products.to_vec(), ..ExchangeConfig::default() }
}

const SUBSCRIBE_ALL: &str =
    r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD","SOL-USD"],"channel":"level2"}"#;

fn error_text(message: &str) -> String {
    format!(r#"{{"type":"error","message":"{message}"}}"#)
}

#[test]
fn the_book_of_any_number_is_the_book_a_client_has() {
    let products = mostly_quiet().products.into_iter().map(|spec| spec.mood(Mood::Crash));
    let config = ExchangeConfig { products: products.collect(), ..mostly_quiet() };
    let mut exchange = Exchange::new(config);
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_ALL);
    exchange.receive(id, at(0), SUBSCRIBE_BEATS);
    exchange.advance(at(60_000));
    let frames = drain(&mut exchange, id);
    assert!(frames.len() > 100);
    let mut books: BTreeMap<String, NaiveBook> = BTreeMap::new();
    // All of it has happened already: what is looked up lies in the past.
    for (sequence, frame) in frames {
        let sequence = sequence.unwrap();
        if frame["channel"] == "l2_data" {
            let event = &frame["events"][0];
            let name = event["product_id"].as_str().unwrap().to_owned();
            books.entry(name).or_default().apply(event);
        }
        for (name, book) in &books {
            book.assert_is(&exchange.true_book_at(id, name, sequence).unwrap());
            assert_eq!(exchange.truth(id, name, sequence), Some(book.bbo()));
        }
        assert_eq!(exchange.true_book_at(id, "DOGE-USD", sequence), None);
    }
    assert_eq!(books.len(), 3);
}

#[test]
fn earlier_books_are_forgotten_before_later_ones() {
    let known = |max_truth_changes| {
        let config = ExchangeConfig { max_truth_changes, ..small() };
        let mut exchange = Exchange::new(config);
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        exchange.advance(at(5_000));
        let numbers = 0..u64::try_from(drain(&mut exchange, id).len()).unwrap();
        let known: Vec<bool> =
            numbers.map(|number| exchange.true_book_at(id, "BTC-USDC", number).is_some()).collect();
        assert!(known.is_sorted(), "a book is not forgotten before an earlier one");
        known.iter().filter(|&&is_known| is_known).count()
    };
    assert_eq!(known(0), 1, "the present one");
    assert!((2..30).contains(&known(100)));
    assert_eq!(known(usize::MAX), 102);
}

#[test]
fn an_interval_is_one_frame_with_each_level_once() {
    let mut exchange = Exchange::new(five_products());
    let id = exchange.connect();
    let all = r#"{"type":"subscribe","channel":"level2",
        "product_ids":["BTC-USD","ETH-USD","SOL-USD","PEPE-USD","BIP-20DEC30-CDE"]}"#;
    exchange.receive(id, at(0), all);
    assert_eq!(drain(&mut exchange, id).len(), 6);
    for step in 1..=100 {
        exchange.advance(at(step * 50 - 1));
        assert_eq!(exchange.poll_frame(id), None, "nothing between the ends of intervals");
        exchange.advance(at(step * 50));
        let mut products = Vec::new();
        for (_, frame) in drain(&mut exchange, id) {
            let event = &frame["events"][0];
            products.push(event["product_id"].to_string());
            let updates = event["updates"].as_array().unwrap();
            let mut levels: Vec<(&str, &str)> = updates
                .iter()
                .map(|one| (one["side"].as_str().unwrap(), one["price_level"].as_str().unwrap()))
                .collect();
            levels.sort_unstable();
            assert!(levels.is_sorted_by(|a, b| a < b), "a level twice in {event}");
        }
        products.sort_unstable();
        assert!(products.is_sorted_by(|a, b| a < b), "a product twice in one interval");
    }
}

#[test]
fn however_time_passes_the_frames_are_the_same() {
    let frames = |step_ms: Option<u64>| {
        let mut exchange = Exchange::new(mostly_quiet());
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_ALL);
        exchange.receive(id, at(0), SUBSCRIBE_BEATS);
        let mut steps = 0;
        while exchange.now() < at(20_000) {
            let next = match step_ms {
                Some(step_ms) => exchange.now() + at(step_ms),
                None => exchange.next_due(),
            };
            exchange.advance(next.min(at(20_000)));
            steps += 1;
        }
        (drain(&mut exchange, id), steps)
    };
    let (expected, steps) = frames(None);
    assert!(expected.len() > 50);
    assert!(steps < 200, "{steps} steps for 400 intervals, of which few bring changes");
    for step_ms in [1, 7, 50, 333, 20_000] {
        assert_eq!(frames(Some(step_ms)).0, expected, "steps of {step_ms} ms");
    }
}

#[test]
fn markets_that_are_held_go_on_where_they_stopped() {
    let prices = |held: bool| {
        let mut exchange = Exchange::new(mostly_quiet());
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_ALL);
        exchange.advance(at(3_010));
        let pause = if held { at(7_000) } else { at(0) };
        if held {
            exchange.hold_markets(true);
            exchange.advance(at(3_010) + pause);
            exchange.hold_markets(false);
        }
        exchange.advance(at(30_000) + pause);
        let frames = drain(&mut exchange, id).into_iter();
        frames.map(|(_, frame)| frame["events"][0]["updates"].to_string().len()).collect::<Vec<_>>()
    };
    assert_eq!(prices(true), prices(false));
}

#[test]
fn connections_that_come_too_fast_are_refused() {
    let max = VENUE_CONNECTIONS_PER_SECOND;
    let config = ExchangeConfig { connections_per_second: Some(max), ..small() };
    let mut exchange = Exchange::new(config);
    for _ in 0..max {
        let id = exchange.connect();
        assert!(exchange.is_open(id));
    }
    let refused = exchange.connect();
    assert!(!exchange.is_open(refused));
    exchange.advance(at(999));
    let refused = exchange.connect();
    assert!(!exchange.is_open(refused));
    assert_eq!(exchange.counts().refused, 2);
    exchange.advance(at(1_000));
    let id = exchange.connect();
    assert!(exchange.is_open(id), "those that were refused do not count");
}

#[test]
fn requests_that_come_too_fast_are_refused_unless_they_have_a_token() {
    let max = VENUE_MESSAGES_PER_SECOND;
    let config = ExchangeConfig { messages_per_second: Some(max), ..small() };
    let mut exchange = Exchange::new(config);
    let (one, other) = (exchange.connect(), exchange.connect());
    for _ in 0..max {
        exchange.receive(one, at(0), SUBSCRIBE_BEATS);
    }
    exchange.receive(other, at(0), SUBSCRIBE_BTC);
    assert_eq!(exchange.poll_frame(other).unwrap().text, error_text(RATE_LIMITED));
    assert_eq!(exchange.counts().limited, 1);
    let with_token = SUBSCRIBE_BTC.replace("}", r#","jwt":"x.y.z"}"#);
    exchange.receive(other, at(0), &with_token);
    assert_eq!(channels(&drain(&mut exchange, other)), ["snapshot BTC-USD", "subscriptions"]);
    exchange.receive(other, at(1_000), SUBSCRIBE_BTC);
    assert_eq!(channels(&drain(&mut exchange, other)).last().unwrap(), "subscriptions");
    assert_eq!(exchange.counts().errors, 1);
}

#[test]
fn an_idle_connection_is_closed_unless_heartbeats_come() {
    let mut exchange = Exchange::new(small());
    exchange.hold_markets(true);
    let ids = [exchange.connect(), exchange.connect(), exchange.connect()];
    let [idle, beaten, left] = ids;
    for id in ids {
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
    }
    exchange.receive(beaten, at(0), SUBSCRIBE_BEATS);
    exchange.receive(left, at(0), SUBSCRIBE_BEATS);
    exchange.advance(at(100_000));
    assert!(!exchange.is_open(idle) && exchange.is_open(beaten) && exchange.is_open(left));
    let unsubscribe = SUBSCRIBE_BEATS.replace("subscribe", "unsubscribe");
    exchange.receive(left, at(100_000), &unsubscribe);
    exchange.advance(at(159_999));
    assert!(exchange.is_open(left), "60 s at least");
    exchange.advance(at(190_000));
    assert!(!exchange.is_open(left) && exchange.is_open(beaten), "90 s at most");
    assert_eq!(exchange.counts().idle, 2);

    // Markets that move are not idle.
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    for second in 0..100 {
        exchange.advance(at(second * 1_000));
        drain(&mut exchange, id);
    }
    assert!(exchange.is_open(id));
}

#[test]
fn acks_and_snapshots_can_be_withheld() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    let take = |exchange: &mut Exchange, now| {
        exchange.advance(now);
        drain(exchange, id)
    };
    exchange.withhold_ack(id);
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    let frames = take(&mut exchange, at(50));
    assert_eq!(channels(&frames), ["snapshot BTC-USD", "update BTC-USD"]);
    assert_eq!(frames[1].0, Some(1), "the ack that is missing uses no number");

    let eth = SUBSCRIBE_BTC.replace("BTC", "ETH");
    exchange.withhold_stream(id);
    exchange.receive(id, at(50), &eth);
    let frames = take(&mut exchange, at(1_000));
    assert_eq!(listed(&frames[0].1), r#"{"level2":["BTC-USD","ETH-USD"]}"#);
    assert!(channels(&frames).iter().all(|name| !name.contains("ETH")));

    exchange.receive(id, at(1_000), &eth.replace("subscribe", "unsubscribe"));
    exchange.withhold_snapshot(id);
    exchange.receive(id, at(1_000), &eth);
    let frames = take(&mut exchange, at(1_200));
    let names = channels(&frames);
    assert!(names.contains(&"update ETH-USD".to_owned()), "{names:?}");
    assert!(!names.contains(&"snapshot ETH-USD".to_owned()), "{names:?}");
    let last = frames.last().unwrap().0.unwrap();
    assert!(exchange.truth(id, "ETH-USD", last).is_none(), "nobody can know it");
    assert!(exchange.truth(id, "BTC-USD", last).is_some());
    assert_eq!(exchange.counts().withheld, 3);

    exchange.receive(id, at(1_200), &eth.replace("subscribe", "unsubscribe"));
    exchange.receive(id, at(1_200), &eth);
    assert!(channels(&drain(&mut exchange, id)).contains(&"snapshot ETH-USD".to_owned()));
}

#[test]
fn products_and_requests_can_be_refused() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    exchange.hold_markets(true);
    let both = r#"{"type":"subscribe","product_ids":["ETH-USD","BTC-USD"],"channel":"level2"}"#;
    exchange.refuse_next_product(id);
    exchange.receive(id, at(0), both);
    let frames = drain(&mut exchange, id);
    assert_eq!(channels(&frames), ["snapshot BTC-USD", "subscriptions"]);
    assert_eq!(listed(&frames[1].1), r#"{"level2":["BTC-USD"]}"#);

    exchange.refuse_next_request(id, "no");
    exchange.refuse_next_request(id, REFUSED);
    exchange.receive(id, at(0), both);
    assert_eq!(exchange.poll_frame(id).unwrap().text, error_text(REFUSED));
    exchange.receive(id, at(0), both);
    assert_eq!(channels(&drain(&mut exchange, id)), ["snapshot ETH-USD", "subscriptions"]);

    exchange.send_error(id, "it \"broke\"");
    let frame = exchange.poll_frame(id).unwrap();
    assert_eq!(frame.text, r#"{"type":"error","message":"it \"broke\""}"#);
    assert_eq!(frame.sequence, None);
    exchange.send_event(id, "candles", "{}");
    let frames = drain(&mut exchange, id);
    assert_eq!((frames[0].0, &frames[0].1["channel"]), (Some(4), &json!("candles")));
    assert_eq!(frames[0].1["events"], json!([{}]));
}

#[test]
fn a_second_snapshot_is_the_book_as_it_is_then() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    exchange.receive(id, at(0), SUBSCRIBE_BTC);
    exchange.resend_snapshot(id, "ETH-USD");
    exchange.advance(at(500));
    drain(&mut exchange, id);
    exchange.resend_snapshot(id, "BTC-USDC");
    let frames = drain(&mut exchange, id);
    assert_eq!(channels(&frames), ["snapshot BTC-USD"], "ETH-USD is not subscribed");
    let mut book = NaiveBook::default();
    book.apply(&frames[0].1["events"][0]);
    book.assert_is(exchange.true_book("BTC-USD").unwrap());
    assert_eq!(exchange.truth(id, "BTC-USD", frames[0].0.unwrap()), Some(book.bbo()));
}

#[test]
fn a_product_can_leave_the_exchange_and_come_back() {
    let mut exchange = Exchange::new(small());
    let id = exchange.connect();
    let both = r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channel":"level2"}"#;
    exchange.receive(id, at(0), both);
    exchange.advance(at(500));
    drain(&mut exchange, id);
    exchange.list_product("BTC-USD", false);
    let still = exchange.true_book("BTC-USD").unwrap().clone();
    exchange.advance(at(2_000));
    let frames = drain(&mut exchange, id);
    assert!(frames.len() > 20 && channels(&frames).iter().all(|name| name == "update ETH-USD"));
    let last = frames.last().unwrap().0.unwrap();
    assert_eq!(exchange.true_book_at(id, "BTC-USD", last), Some(still), "it stands still");

    exchange.receive(id, at(2_000), both);
    let frames = drain(&mut exchange, id);
    assert_eq!(channels(&frames), ["subscriptions"]);
    assert_eq!(listed(&frames[0].1), r#"{"level2":["ETH-USD"]}"#);
    exchange.list_product("BTC-USD", true);
    exchange.receive(id, at(2_000), both);
    exchange.advance(at(2_200));
    let names = channels(&drain(&mut exchange, id));
    assert_eq!(names[..2], ["snapshot BTC-USD", "subscriptions"]);
    assert!(names.contains(&"update BTC-USD".to_owned()));
}
