//! The dialect, frame by frame: what is read, and what is said of what cannot be.

use proptest::prelude::*;

use super::*;
use crate::book::{Fixed, Side};

const UPDATE: &str = concat!(
    r#"{"channel":"l2_data","timestamp":"2026-11-02T00:00:00.05Z","sequence_num":7,"events":["#,
    r#"{"type":"update","product_id":"BTC-USD","updates":["#,
    r#"{"side":"bid","event_time":"2026-11-02T00:00:00Z","price_level":"83277.25","#,
    r#""new_quantity":"0.036"},"#,
    r#"{"side":"offer","event_time":"2026-11-02T00:00:00Z","price_level":"83277.26","#,
    r#""new_quantity":"0"}]}]}"#,
);

type OwnedLevel = (Side, String, String, Option<String>);
type OwnedUpdate = (String, UpdateKind, Vec<OwnedLevel>);

/// Everything of an order-book frame, or the first error.
fn read(text: &str) -> Result<Vec<OwnedUpdate>, DecodeError> {
    let mut decoder = Decoder::new();
    let frame = decoder.decode(text.as_bytes())?;
    let Body::Level2(updates) = frame.body() else { panic!("no levels in {text}") };
    updates.map(|update| owned(update?)).collect()
}

fn owned(update: Update<'_>) -> Result<OwnedUpdate, DecodeError> {
    let levels = update.levels()?.map(|level| {
        let level = level?;
        let event_time = level.event_time.map(|time| time.to_string());
        Ok((level.side, level.price.to_string(), level.size.to_string(), event_time))
    });
    Ok((update.product_id().to_owned(), update.kind()?, levels.collect::<Result<_, _>>()?))
}

fn error(text: &str) -> DecodeError {
    match read(text) {
        Err(error) => error,
        Ok(updates) => panic!("expected an error, read {updates:?} from {text}"),
    }
}

#[test]
fn reads_the_shape_the_venue_sends() {
    let time = Some("2026-11-02T00:00:00Z".to_owned());
    let expected = vec![(
        "BTC-USD".to_owned(),
        UpdateKind::Update,
        vec![
            (Side::Bid, "83277.25".to_owned(), "0.036".to_owned(), time.clone()),
            (Side::Ask, "83277.26".to_owned(), "0".to_owned(), time),
        ],
    )];
    assert_eq!(read(UPDATE), Ok(expected.clone()));
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(UPDATE.as_bytes()).unwrap().sequence(), Some(7));

    let with_client_id = UPDATE.replacen("\"timestamp\"", "\"client_id\":\"\",\"timestamp\"", 1);
    assert_eq!(read(&with_client_id), Ok(expected));
}

#[test]
fn key_order_whitespace_escapes_and_unknown_keys_change_nothing() {
    let odd = r#" { "events" : [ { "updates" : [ { "new_quantity" : "0.036" , "x" : [1,{"y":2}] ,
        "price_level" : "83277.25" , "event_time" : "2026-11-02T00:00:00Z" , "side" : "b\u0069d" } ,
        {"new_quantity":"0e7","side":"offer","event_time":"2026-11-02T00:00:00Z",
         "price_level":"8327726e-2"} ] ,
        "product_id" : "BTC\u002dUSD" , "type" : "update" , "more" : null } ] , "extra" : {} ,
        "sequence_num" : 7 , "timestamp" : "2026-11-02T00:00:00.05Z" , "channel" : "l2_data" } "#;
    assert_eq!(read(odd), read(UPDATE));
}

#[test]
fn several_events_and_empty_ones_are_read() {
    let text = r#"{"channel":"l2_data","sequence_num":0,"events":[
        {"type":"snapshot","product_id":"A-USD","updates":[]},
        {"type":"update","product_id":"B-USD","updates":[]}]}"#;
    assert_eq!(
        read(text),
        Ok(vec![
            ("A-USD".to_owned(), UpdateKind::Snapshot, vec![]),
            ("B-USD".to_owned(), UpdateKind::Update, vec![]),
        ])
    );
    assert_eq!(read(r#"{"channel":"l2_data","sequence_num":0,"events":[]}"#), Ok(vec![]));
}

#[test]
fn minus_zero_is_the_number_zero() {
    let mut decoder = Decoder::new();
    let frame = decoder.decode(br#"{"channel":"new","sequence_num":-0,"events":[]}"#).unwrap();
    assert_eq!(frame.sequence(), Some(0));
}

#[test]
fn how_many_levels_are_left_is_known_before_they_are_read() {
    let mut decoder = Decoder::new();
    // With a blank more it is for the general tier.
    for text in [UPDATE.to_owned(), format!("{UPDATE} ")] {
        let frame = decoder.decode(text.as_bytes()).unwrap();
        let Body::Level2(mut updates) = frame.body() else { panic!("{frame:?}") };
        let update = updates.next().unwrap().unwrap();
        assert_eq!(update.read_levels().is_some(), frame.is_expected_shape());
        let mut levels = update.levels().unwrap();
        for left in [2, 1, 0] {
            assert_eq!(levels.size_hint(), (left, Some(left)));
            levels.next();
        }
    }
}

#[test]
fn both_tiers_read_heartbeats_alike() {
    let heartbeat = |time: &str, counter: &str| {
        format!(
            "{{\"channel\":\"heartbeats\",\"client_id\":\"\",\
             \"timestamp\":\"2026-11-02T00:00:01Z\",\"sequence_num\":29,\
             \"events\":[{{\"current_time\":\"{time}\",\"heartbeat_counter\":{counter}}}]}}"
        )
    };
    let time = "2026-09-30 02:39:54.167689127 +0000 UTC m=+12240.233883420";
    let read = |frame: Result<Frame<'_>, DecodeError>| {
        frame.map_err(|error| error.kind()).map(|frame| match frame.body() {
            Body::Heartbeat { counter } => (frame.sequence(), counter),
            body => panic!("expected a heartbeat, read {body:?}"),
        })
    };
    let mut decoder = Decoder::new();
    for (text, expected) in [
        (heartbeat(time, "12240"), Some(12_240)),
        (heartbeat(time, "\"12240\""), Some(12_240)),
        (heartbeat(time, "0"), Some(0)),
        (heartbeat(time, "\"007\""), Some(7)),
        (heartbeat(time, "\"+7\""), Some(7)),
        (heartbeat(time, "\"7"), None),
        (heartbeat(time, "-7"), None),
        (heartbeat(time, "7.0"), None),
        (heartbeat(time, "07"), None),
        (heartbeat(time, "\"\""), None),
        (heartbeat(time, "18446744073709551615"), Some(u64::MAX)),
        (heartbeat(time, "18446744073709551616"), None),
        (heartbeat("", "1"), Some(1)),
        (heartbeat(&time.repeat(3), "1"), Some(1)),
        (heartbeat("\\u0041 \u{e9}", "1"), Some(1)),
        (heartbeat("\n", "1"), None),
        (heartbeat(time, "1") + "}", None),
    ] {
        let general = read(decoder.decode_general(text.as_bytes()));
        let is_usual = text.contains(time) && matches!(expected, Some(0 | 12_240));
        if is_usual {
            assert!(ExpectedHeartbeat::read(text.as_bytes()).is_some(), "in one pass: {text}");
        }
        assert_eq!(read(decoder.decode(text.as_bytes())), general, "{text}");
        assert_eq!(general.ok().and_then(|(_, counter)| counter), expected, "{text}");
    }
}

#[test]
fn control_frames_are_told_apart_and_all_carry_their_number() {
    let mut decoder = Decoder::new();
    let frame = decoder
        .decode(
            br#"{"channel":"heartbeats","timestamp":"t","sequence_num":29,"events":[
            {"current_time":"2026-09-30 02:39:54.1 +0000 UTC m=+1.2","heartbeat_counter":12240}]}"#,
        )
        .unwrap();
    assert!(matches!(frame.body(), Body::Heartbeat { counter: Some(12_240) }));
    assert_eq!(frame.sequence(), Some(29));
    drop(frame);

    let text =
        br#"{"channel":"heartbeats","sequence_num":1,"events":[{"heartbeat_counter":"3049"}]}"#;
    let frame = decoder.decode(text).unwrap();
    assert!(matches!(frame.body(), Body::Heartbeat { counter: Some(3_049) }));
    drop(frame);

    let frame = decoder
        .decode(
            br#"{"channel":"subscriptions","sequence_num":11,"events":[{"subscriptions":{
            "heartbeats":["heartbeats"],"level2":["BTC-USD","ETH-USD"]}}]}"#,
        )
        .unwrap();
    let Body::Subscriptions(subscriptions) = frame.body() else { panic!("{frame:?}") };
    assert_eq!(subscriptions.products("level2").collect::<Vec<_>>(), ["BTC-USD", "ETH-USD"]);
    assert_eq!(subscriptions.products("heartbeats").count(), 1);
    assert_eq!(subscriptions.products("ticker").count(), 0);
    drop(frame);

    let text = br#"{"channel":"subscriptions","sequence_num":17,"events":[{"subscriptions":{}}]}"#;
    let frame = decoder.decode(text).unwrap();
    let Body::Subscriptions(subscriptions) = frame.body() else { panic!("{frame:?}") };
    assert_eq!(subscriptions.products("level2").count(), 0);
    drop(frame);

    let text = br#"{"channel":"market_trades","sequence_num":8,"events":[{"trades":[]}]}"#;
    let frame = decoder.decode(text).unwrap();
    assert!(matches!(frame.body(), Body::Other { channel: "market_trades" }));
    assert_eq!(frame.sequence(), Some(8));
    drop(frame);

    let frame = decoder.decode(br#"{"type":"error","message":"authentication failure"}"#).unwrap();
    assert!(matches!(frame.body(), Body::Error { message: "authentication failure" }));
    assert_eq!(frame.sequence(), None);
}

#[test]
fn an_envelope_that_cannot_be_trusted_is_refused() {
    for (text, expected) in [
        (r#"{}"#, "a channel, or an error's message"),
        (r#"[]"#, "one JSON object"),
        (r#""l2_data""#, "one JSON object"),
        (r#"{"type":"error"}"#, "a channel, or an error's message"),
        (r#"{"type":"error","message":7}"#, "a channel, or an error's message"),
        (r#"{"type":"notice","message":"hello"}"#, "a channel, or an error's message"),
        (r#"{"channel":7,"sequence_num":1,"events":[]}"#, "the name of a channel"),
        (r#"{"channel":"l2_data","events":[]}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","events":[]}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","sequence_num":-1}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","sequence_num":1.0}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","sequence_num":"1"}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","sequence_num":null}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"l2_data","sequence_num":1}"#, "an array of events"),
        (r#"{"channel":"l2_data","sequence_num":1,"events":{}}"#, "an array of events"),
        (
            r#"{"channel":"subscriptions","sequence_num":1,"events":[{"subscriptions":[]}]}"#,
            "an event with subscriptions, products by channel",
        ),
        (r#"{"channel":"a","sequence_num":1,"channel":"l2_data"}"#, "each key once"),
        (r#"{"sequence_num":1,"sequence_num":2,"channel":"a"}"#, "each key once"),
    ] {
        let mut decoder = Decoder::new();
        let error = decoder.decode(text.as_bytes()).expect_err(text);
        assert_eq!((error.kind(), error.expected()), (DecodeErrorKind::Shape, expected), "{text}");
    }
}

#[test]
fn text_that_is_no_json_is_refused_whole() {
    let truncated = &UPDATE[..UPDATE.len() - 9];
    let trailing = format!("{UPDATE}x");
    let two = format!("{UPDATE}{UPDATE}");
    let with_bom = format!("\u{feff}{UPDATE}");
    let with_nul = UPDATE.replace("83277.25", "83277\0.25");
    let with_surrogate = UPDATE.replace("bid", "\\ud800");
    for text in
        ["", " ", "{", "nul", truncated, &trailing, &two, &with_bom, &with_nul, &with_surrogate]
    {
        let mut decoder = Decoder::new();
        let error = decoder.decode(text.as_bytes()).expect_err(text);
        assert_eq!(error.kind(), DecodeErrorKind::Json, "{text}");
        assert!(error.offset() <= text.len());
    }
    let mut bad_utf8 = UPDATE.as_bytes().to_vec();
    bad_utf8[2] = 0xff;
    assert_eq!(Decoder::new().decode(&bad_utf8).unwrap_err().kind(), DecodeErrorKind::Json);
}

#[test]
fn nesting_has_a_bound_and_hostile_text_takes_linear_time() {
    let mut decoder = Decoder::new();
    let nested = |depth| {
        format!(
            "{{\"channel\":\"a\",\"sequence_num\":1,\"x\":{}1{}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert!(decoder.decode(nested(MAX_DEPTH - 2).as_bytes()).is_ok());
    assert!(decoder.decode(nested(1_000_000).as_bytes()).is_err());
    let digits = UPDATE.replace("0.036", &"9".repeat(1_000_000));
    assert_eq!(error(&digits).kind(), DecodeErrorKind::Number);
}

#[test]
fn a_bad_level_names_what_came_and_where() {
    for (from, to, kind, expected, found) in [
        ("83277.25", "", DecodeErrorKind::Number, "a decimal number", "\"\""),
        ("83277.25", "+1", DecodeErrorKind::Number, "a decimal number", "+1"),
        ("83277.25", "1_000", DecodeErrorKind::Number, "a decimal number", "1_000"),
        ("0.036", "-0", DecodeErrorKind::Number, "a size of zero or more", "-0"),
        ("0.036", "-1", DecodeErrorKind::Number, "a size of zero or more", "-1"),
        (
            "0.036",
            "0.00000000000000000000000000001",
            DecodeErrorKind::Number,
            "a number of at most 18 digits and 28 decimals",
            "0.00000000000000000000000000001",
        ),
        ("\"0.036\"", "0.036", DecodeErrorKind::Number, "a decimal number in a string", "0.036"),
        ("\"0.036\"", "null", DecodeErrorKind::Number, "a decimal number in a string", "null"),
        ("\"bid\"", "\"ask\"", DecodeErrorKind::Shape, "the side bid or offer", "ask"),
        (
            "\"side\":\"bid\",",
            "",
            DecodeErrorKind::Shape,
            "a level with side, price_level and new_quantity",
            "an object",
        ),
        (
            "\"side\":\"bid\"",
            "\"side\":\"bid\",\"side\":\"bid\"",
            DecodeErrorKind::Shape,
            "each key once",
            "side twice",
        ),
        ("\"update\"", "\"delta\"", DecodeErrorKind::Shape, "the type snapshot or update", "delta"),
        (
            "\"type\":\"update\",",
            "",
            DecodeErrorKind::Shape,
            "the type snapshot or update",
            "no such key",
        ),
    ] {
        let text = UPDATE.replacen(from, to, 1);
        let error = error(&text);
        assert_eq!((error.kind(), error.expected()), (kind, expected), "{text}");
        assert!(error.found().contains(found), "{} in {text}", error.found());
    }
    let text = UPDATE.replacen("\"type\":", "\"type\":\"update\",\"type\":", 1);
    assert_eq!(error(&text).offset(), text.rfind("type").unwrap(), "the second is one too many");
    let text = UPDATE.replacen("83277.26", "83277,26", 1);
    let error = error(&text);
    assert_eq!(error.offset(), text.find("83277,26").unwrap());
    assert_eq!(
        error.to_string(),
        format!("expected a decimal number, got \"83277,26\" at byte {}", error.offset())
    );
}

#[test]
fn an_event_without_its_product_is_an_error_of_the_whole_frame() {
    let text = UPDATE.replacen("\"product_id\":\"BTC-USD\",", "", 1);
    let mut decoder = Decoder::new();
    let frame = decoder.decode(text.as_bytes()).unwrap();
    let Body::Level2(mut updates) = frame.body() else { panic!("{frame:?}") };
    assert!(updates.next().unwrap().is_err());
}

#[test]
fn a_decoder_is_as_good_after_an_error_and_after_a_large_frame() {
    let mut decoder = Decoder::new();
    let level = r#"{"side":"bid","event_time":"t","price_level":"1.5","new_quantity":"2"}"#;
    let levels = vec![level; 45_000].join(",");
    let snapshot = [
        r#"{"channel":"l2_data","timestamp":"t","sequence_num":0,"events":[{"type":"snapshot","#,
        r#""product_id":"A","updates":["#,
        &levels,
        "]}]}",
    ];
    let two = Fixed::parse(b"2").unwrap();
    // With a blank more it is for the general tier.
    for snapshot in [snapshot.concat(), snapshot.join(" ")] {
        for _ in 0..2 {
            assert!(decoder.decode(b"{\"channel\":").is_err());
            let frame = decoder.decode(snapshot.as_bytes()).unwrap();
            let Body::Level2(mut updates) = frame.body() else { panic!() };
            let levels = updates.next().unwrap().unwrap().levels().unwrap();
            assert_eq!(levels.size_hint(), (45_000, Some(45_000)));
            assert_eq!(levels.filter(|level| level.as_ref().unwrap().size == two).count(), 45_000);
            drop(frame);
            assert_eq!(decoder.decode(UPDATE.as_bytes()).unwrap().sequence(), Some(7));
        }
    }
}

/// What a frame says, as a third reader sees it: `serde_json`, and `rust_decimal` for numbers.
///
/// `None` where it sees no sound order-book frame.
fn read_by_serde(text: &[u8]) -> Option<(u64, Vec<OwnedUpdate>)> {
    let frame: serde_json::Value = serde_json::from_slice(text).ok()?;
    let number = |value: &serde_json::Value| {
        let decimal = rust_decimal::Decimal::from_str_exact(value.as_str()?).ok()?;
        Some(decimal.normalize().to_string())
    };
    let level = |level: &serde_json::Value| {
        let side = match level["side"].as_str()? {
            "bid" => Side::Bid,
            "offer" => Side::Ask,
            _ => return None,
        };
        let event_time = level["event_time"].as_str().map(str::to_owned);
        Some((side, number(&level["price_level"])?, number(&level["new_quantity"])?, event_time))
    };
    let update = |event: &serde_json::Value| {
        let kind = match event["type"].as_str()? {
            "snapshot" => UpdateKind::Snapshot,
            "update" => UpdateKind::Update,
            _ => return None,
        };
        let levels = event["updates"].as_array()?.iter().map(level).collect::<Option<_>>()?;
        Some((event["product_id"].as_str()?.to_owned(), kind, levels))
    };
    let updates = frame["events"].as_array()?.iter().map(update).collect::<Option<_>>()?;
    Some((frame["sequence_num"].as_u64()?, updates))
}

/// What a frame says, or `None` where it is no sound order-book frame.
fn read_whole(frame: &Frame<'_>) -> Option<(u64, Vec<OwnedUpdate>)> {
    let Body::Level2(updates) = frame.body() else { return None };
    let updates = updates.map(|update| owned(update.ok()?).ok()).collect::<Option<_>>()?;
    Some((frame.sequence()?, updates))
}

/// Checks that what the first tier takes, all readers take alike. Returns whether it took it.
fn tiers_agree(text: &[u8]) -> bool {
    let (mut decoder, mut general) = (Decoder::new(), Decoder::new());
    let Ok(frame) = decoder.decode(text) else {
        assert!(general.decode_general(text).is_err());
        return false;
    };
    let shown = || String::from_utf8_lossy(text);
    let by_general = general.decode_general(text).unwrap_or_else(|e| panic!("{e}: {}", shown()));
    let read = read_whole(&frame);
    assert_eq!(read, read_whole(&by_general), "{}", shown());
    // Whatever this processor is, its version of the first tier and everyone's read the same.
    let mut baseline = expected::Scratch::default();
    let at_baseline = baseline.decode_at_baseline(text).map(Frame::from_expected);
    let read_at_baseline = at_baseline.as_ref().and_then(read_whole);
    assert_eq!(read_at_baseline, read.clone().filter(|_| frame.is_expected_shape()), "{}", shown());
    if frame.is_expected_shape() {
        assert!(read.is_some(), "{}", shown());
        assert_eq!(read, read_by_serde(text), "{}", shown());
    }
    frame.is_expected_shape()
}

#[test]
fn the_first_tier_takes_what_the_venue_sends() {
    assert!(tiers_agree(UPDATE.as_bytes()));
    let with_client_id = UPDATE.replacen("\"timestamp\"", "\"client_id\":\"\",\"timestamp\"", 1);
    assert!(tiers_agree(with_client_id.as_bytes()));
    let snapshot = UPDATE.replacen("\"update\"", "\"snapshot\"", 1);
    assert!(tiers_agree(snapshot.as_bytes()));
    let start = UPDATE.find("[{\"side").unwrap();
    let empty = format!("{}[]}}]}}", &UPDATE[..start]);
    // Not seen on the venue, and left to the general tier.
    assert!(!tiers_agree(empty.as_bytes()));
    for number in [
        "0",
        "7",
        "83277.25",
        "12345678",
        "0.00000001",
        "99999999.99999999",
        "138991023.41",
        "9999999999",
        "1.5",
        "0.123456789",
        "123456789012345678",
        "1234567890123456",
        "12345678901234567",
        "1234567.12345678",
        "12345678.12345678",
        "0.12345678901234",
        "0.123456789012345",
        "-12.5",
        "0.0",
        "1.50",
        "00.5",
    ] {
        assert!(tiers_agree(UPDATE.replacen("83277.25", number, 1).as_bytes()), "{number}");
    }
}

#[test]
fn the_first_tier_leaves_surprises_to_the_second() {
    for (from, to) in [
        ("\"sequence_num\":7", "\"sequence_num\":07"),
        ("\"sequence_num\":7", "\"sequence_num\": 7"),
        ("\"sequence_num\":7", "\"sequence_num\":-0"),
        ("\"sequence_num\":7", "\"sequence_num\":99999999999999999999"),
        ("\"sequence_num\":7", "\"sequence_num\":\"7\""),
        ("BTC-USD", "BTC\\u002dUSD"),
        ("BTC-USD", "B\u{e9}C-USD"),
        ("83277.25", "8e4"),
        ("83277.25", "832772.5E-1"),
        ("\"0.036\"", "\"-0\""),
        ("\"0.036\"", "\"-1\""),
        ("\"0.036\"", "\"\""),
        ("\"0.036\"", "\".5\""),
        ("\"0.036\"", "\"5.\""),
        ("\"0.036\"", "\"1.2.3\""),
        ("\"0.036\"", "0.036"),
        ("\"0.036\"", "\"0,036\""),
        ("\"0.036\"", "\"0.0\u{ff13}6\""),
        ("]}]}", "]}]} "),
        ("]}]}", "]}]}]}"),
        ("]}]}", "]}"),
        ("offer", "ask"),
        ("2026-11-02T00:00:00Z\",\"price_level\":\"83277.26", "2026\",\"price_level\":\"83277.26"),
    ] {
        let text = UPDATE.replacen(from, to, 1);
        assert_ne!(text, UPDATE);
        assert!(!tiers_agree(text.as_bytes()), "{text}");
    }
    // Every cut of a frame is a surprise, and an error.
    for len in 0..UPDATE.len() {
        assert!(!tiers_agree(&UPDATE.as_bytes()[..len]));
    }
}

#[test]
fn two_surprises_in_one_string_are_no_less_than_one() {
    let long = "x".repeat(40);
    let surprises = ["\u{1}", "\u{e9}", "\\u002d", &long];
    // Next to each other, and at the same place of two vectors.
    for field in ["BTC-USD", "2026-11-02T00:00:00.05Z", "2026-11-02T00:00:00Z"] {
        for first in surprises {
            for second in surprises {
                for distance in [0, 16usize.saturating_sub(first.len())] {
                    let both = [first, &"x".repeat(distance), second].concat();
                    let text = UPDATE.replacen(field, &both, 1);
                    assert_ne!(text, UPDATE);
                    assert!(!tiers_agree(text.as_bytes()), "{text}");
                }
            }
        }
    }
}

#[test]
fn times_of_any_length_are_read_alike() {
    for len in 0..48 {
        let text = UPDATE.replace("2026-11-02T00:00:00Z", &"7".repeat(len));
        // From 20 bytes on they are as long as the venue's.
        assert_eq!(tiers_agree(text.as_bytes()), (20..=31).contains(&len), "{len} bytes");
    }
}

#[test]
fn a_short_name_has_the_same_key_in_a_frame_as_by_itself() {
    for len in 1..=20 {
        let name = &"ABCDEFGHIJKLMNOP-USD"[..len];
        let text = UPDATE.replacen("BTC-USD", name, 1);
        let mut decoder = Decoder::new();
        let (_, update) = decoder.decode_usual(text.as_bytes()).unwrap();
        assert_eq!(update.product_key(), ProductId::new(name).unwrap().key(), "{name}");
        assert_eq!(update.product_key().is_some(), len <= 16, "{name}");
    }
}

#[test]
fn names_and_times_show_as_their_text() {
    let product = ProductId::new("BTC-USD").unwrap();
    let name: &str = product.as_ref();
    assert_eq!((name, format!("{product:?}")), ("BTC-USD", "\"BTC-USD\"".to_owned()));
    let refused = ProductId::new("BTC USD").unwrap_err().to_string();
    assert!(refused.ends_with("got \"BTC USD\""), "{refused}");
    let time = "2026-11-02T00:00:00Z";
    assert_eq!(format!("{:?}", WireTime::new(time.as_bytes())), format!("{time:?}"));
}

/// Numbers of every length and form that the venue might send.
fn number_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[1-9][0-9]{0,5}\\.[0-9]{0,1}[1-9]",
        4 => "0\\.[0-9]{0,7}[1-9]",
        2 => Just("0".to_owned()),
        2 => "[0-9]{1,18}",
        1 => "[0-9]{1,9}\\.[0-9]{1,9}",
        1 => "-?[0-9]{1,4}(\\.[0-9]{1,4})?",
    ]
}

/// Frames of the shape that the venue sends, with any numbers.
fn frame_text() -> impl Strategy<Value = String> {
    let level = (any::<bool>(), number_text(), number_text());
    let levels = proptest::collection::vec(level, 0..40);
    (levels, 0..u64::MAX, any::<bool>(), 0usize..10).prop_map(
        |(levels, sequence, is_snapshot, digits)| {
            let time = format!("2026-11-02T00:00:00.{}Z", "123456789".split_at(digits.min(9)).0);
            let levels: Vec<String> = levels
                .into_iter()
                .map(|(is_bid, price, size)| {
                    let side = if is_bid { "bid" } else { "offer" };
                    format!(
                        "{{\"side\":\"{side}\",\"event_time\":\"{time}\",\
                         \"price_level\":\"{price}\",\"new_quantity\":\"{size}\"}}"
                    )
                })
                .collect();
            let kind = if is_snapshot { "snapshot" } else { "update" };
            format!(
                "{{\"channel\":\"l2_data\",\"timestamp\":\"{time}\",\
                 \"sequence_num\":{sequence},\"events\":[{{\"type\":\"{kind}\",\
                 \"product_id\":\"BTC-USD\",\"updates\":[{}]}}]}}",
                levels.join(",")
            )
        },
    )
}

proptest! {
    #[test]
    fn both_tiers_and_serde_read_the_same(text in frame_text()) {
        tiers_agree(text.as_bytes());
    }

    #[test]
    fn both_tiers_and_serde_read_the_same_of_damaged_frames(
        text in frame_text(),
        position in any::<proptest::sample::Index>(),
        byte in prop_oneof![any::<u8>(), proptest::sample::select(&b"0.-\",{}[]:e\\ "[..])],
        is_inserted in any::<bool>(),
    ) {
        let mut text = text.into_bytes();
        let position = position.index(text.len());
        if is_inserted {
            text.insert(position, byte);
        } else {
            text[position] = byte;
        }
        tiers_agree(&text);
    }

    #[test]
    fn damaged_frames_never_panic(
        position in 0..UPDATE.len(),
        byte in any::<u8>(),
        cut in 0..=UPDATE.len(),
    ) {
        let mut text = UPDATE.as_bytes().to_vec();
        text[position] = byte;
        text.truncate(cut);
        let mut decoder = Decoder::new();
        if let Ok(frame) = decoder.decode(&text)
            && let Body::Level2(updates) = frame.body()
        {
            for update in updates.flatten() {
                let _ = owned(update);
            }
        }
    }
}
