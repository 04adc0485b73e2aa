//! Both tiers, and other readers, read the same.

use proptest::prelude::*;

use super::*;

/// What an order-book frame says: its timestamp, its number, its events.
type OwnedFrame = (Option<String>, u64, Vec<OwnedUpdate>);

/// What a frame says, as a third reader sees it: `serde_json`, and `rust_decimal` for numbers.
///
/// `None` where it sees no sound order-book frame.
fn read_by_serde(text: &[u8]) -> Option<OwnedFrame> {
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
    let timestamp = frame["timestamp"].as_str().map(str::to_owned);
    Some((timestamp, frame["sequence_num"].as_u64()?, updates))
}

/// What a frame says, or `None` where it is no sound order-book frame.
fn read_whole(frame: &Frame<'_>) -> Option<OwnedFrame> {
    let Body::Level2 { sequence, updates } = frame.body() else { return None };
    assert_eq!(frame.sequence(), Some(sequence));
    let updates = updates.map(|update| owned(update.ok()?).ok()).collect::<Option<_>>()?;
    Some((frame.timestamp().map(|time| time.to_string()), sequence, updates))
}

/// What a frame says that is no order-book frame, and what all frames have.
fn read_around(frame: &Frame<'_>) -> (Option<u64>, Option<String>, String) {
    let body = match frame.body() {
        Body::Level2 { .. } => "level2".to_owned(),
        Body::Heartbeat { counter } => format!("heartbeat {counter:?}"),
        Body::Error { kind, message } => format!("error {kind:?} {message}"),
        Body::Other { channel } => format!("other {channel}"),
        Body::Subscriptions(listed) => {
            format!("subscriptions {:?}", listed.products("level2").collect::<Vec<_>>())
        }
    };
    (frame.sequence(), frame.timestamp().map(|time| time.to_string()), body)
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
    assert_eq!(read_around(&frame), read_around(&by_general), "{}", shown());
    let is_update = matches!(Decoder::new().read(text), Ok(Message::Update { .. }));
    assert_eq!(is_update, frame.is_expected_shape(), "{}", shown());
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
fn timestamps_of_any_length_are_read_alike() {
    for len in 0..48 {
        let text = UPDATE.replace("2026-11-02T00:00:00.05Z", &"7".repeat(len));
        // Two vectors hold them and the quote.
        assert_eq!(tiers_agree(text.as_bytes()), len < 32, "{len} bytes");
    }
}

#[test]
fn the_first_tier_knows_the_channels_by_their_names() {
    let empty = |channel| {
        format!(r#"{{"channel":"{channel}","timestamp":"t","sequence_num":1,"events":[]}}"#)
    };
    let mut decoder = Decoder::new();
    let text = empty(venue::LEVEL2_DATA);
    let frame = decoder.decode(text.as_bytes()).unwrap();
    assert!(matches!(frame.body(), Body::Level2 { sequence: 1, .. }));
    drop(frame);
    let text = UPDATE.replacen("l2_data", venue::LEVEL2_DATA, 1);
    assert!(decoder.decode(text.as_bytes()).unwrap().is_expected_shape());
    let text = heartbeat_text(venue::HEARTBEATS, "t", 1, "1");
    assert!(ExpectedHeartbeat::read(text.as_bytes()).is_some());
}

#[test]
fn a_short_name_has_the_same_key_in_a_frame_as_by_itself() {
    for len in 3..=20 {
        let name = &format!("{}-U", &"ABCDEFGHIJKLMNOPQR"[..len - 2]);
        let text = UPDATE.replacen("BTC-USD", name, 1);
        let mut decoder = Decoder::new();
        let Ok(Message::Update { update, .. }) = decoder.read(text.as_bytes()) else {
            panic!("{text}")
        };
        assert_eq!(update.product_key(), ProductId::new(name).unwrap().key(), "{name}");
        assert_eq!(update.product_key().is_some(), len <= 16, "{name}");
    }
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

/// Timestamps as the venue writes them, and other texts.
fn timestamp_text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "2026-11-02T00:00:00\\.[0-9]{1,9}Z",
        1 => Just("2026-11-02T00:00:00Z".to_owned()),
        2 => "[ -!#-\\[\\]-~]{0,40}",
        1 => "(\\\\u0041|\u{e9}|[0-9]){0,12}",
    ]
}

fn heartbeat_text(channel: &str, timestamp: &str, sequence: u64, counter: &str) -> String {
    format!(
        "{{\"channel\":\"{channel}\",\"timestamp\":\"{timestamp}\",\
         \"sequence_num\":{sequence},\"events\":[{{\"current_time\":\"2026-09-30 \
         02:39:54.167689127 +0000 UTC m=+12240.233883420\",\"heartbeat_counter\":{counter}}}]}}"
    )
}

/// Frames of the shape that the venue sends, with any numbers.
fn frame_text() -> impl Strategy<Value = String> {
    let level = (any::<bool>(), number_text(), number_text());
    let levels = proptest::collection::vec(level, 0..40);
    (levels, 0..u64::MAX, any::<bool>(), 0usize..10, timestamp_text()).prop_map(
        |(levels, sequence, is_snapshot, digits, timestamp)| {
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
                "{{\"channel\":\"l2_data\",\"timestamp\":\"{timestamp}\",\
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
    fn both_tiers_read_the_same_of_heartbeats_and_of_what_damage_makes_of_them(
        timestamp in timestamp_text(),
        sequence in any::<u64>(),
        counter in prop_oneof![Just("12240"), Just("\"12240\""), Just("-1"), Just("\"\"")],
        position in any::<proptest::sample::Index>(),
        damage in proptest::option::of(proptest::sample::select(&b"0.-\",{}[]:e\\ "[..])),
    ) {
        let mut text = heartbeat_text("heartbeats", &timestamp, sequence, counter).into_bytes();
        if let Some(byte) = damage {
            let position = position.index(text.len());
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
            && let Body::Level2 { updates, .. } = frame.body()
        {
            for update in updates.flatten() {
                let _ = owned(update);
            }
        }
    }
}
